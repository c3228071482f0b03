#include "text/clip_files.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

// transformers writes 1e30 where no limit is known.
constexpr double kLargestLimit = 1e6;

[[noreturn]] void fail_field(const std::string& file, const std::string& field, const char* want) {
  fail(ErrorCode::Corrupt, "{}, field \"{}\": want {}; fetch the tokenizer again", file, field, want);
}

Bpe::Vocabulary parse_vocabulary(const Json& json, const std::string& file) {
  if (!json.is_object()) fail_field(file, "vocab", "an object of tokens and ids");
  Bpe::Vocabulary vocabulary;
  vocabulary.reserve(json.size());
  for (const auto& [token, id] : json.items()) {
    if (!id.is_number_integer()) fail_field(file, token, "a whole number");
    vocabulary.emplace(token, id.get<int32_t>());
  }
  return vocabulary;
}

std::pair<std::string, std::string> parse_merge(std::string_view line, const std::string& file) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
    fail(ErrorCode::Corrupt, "{}: want two symbols a line, found \"{}\"", file, line);
  }
  return {std::string(line.substr(0, space)), std::string(line.substr(space + 1))};
}

Bpe::Merges parse_merges(std::string_view text) {
  Bpe::Merges merges;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !line.starts_with("#version")) merges.push_back(parse_merge(line, "merges.txt"));
  }
  return merges;
}

// tokenizer.json holds merges as "left right" or as [left, right].
Bpe::Merges parse_merges(const Json& json) {
  const std::string file = "tokenizer.json";
  if (!json.is_array()) fail_field(file, "merges", "a list");
  Bpe::Merges merges;
  merges.reserve(json.size());
  for (const Json& merge : json) {
    if (merge.is_string()) {
      merges.push_back(parse_merge(merge.get_ref<const std::string&>(), file));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    } else {
      fail_field(file, "merges", "pairs of symbols");
    }
  }
  return merges;
}

Json parse_optional(const std::string& text, const char* file) {
  if (text.empty()) return Json::object();
  Json json = parse_json(text, file);
  if (!json.is_object()) fail(ErrorCode::Corrupt, "{}: want an object", file);
  return json;
}

void set_special(ClipDefinition& definition, const std::string& text, bool normalized) {
  const auto same = [&](const SpecialToken& token) { return token.text == text; };
  const auto found = std::find_if(definition.specials.begin(), definition.specials.end(), same);
  if (found != definition.specials.end()) {
    found->normalized = normalized;
  } else {
    definition.specials.push_back({text, normalized});
  }
}

// An entry of added_tokens_decoder or of tokenizer.json's added_tokens.
void add_token(ClipDefinition& definition, const Json& token, int64_t id) {
  if (!token.is_object() || !token.contains("content") || !token["content"].is_string() || id < 0 || id > INT32_MAX) {
    fail_field("tokenizer", "added_tokens", "tokens with an id and a content");
  }
  const std::string text = token["content"].get<std::string>();
  if (text.empty()) return;
  definition.vocabulary.emplace(text, static_cast<int32_t>(id));
  set_special(definition, text, token.value("normalized", false));
}

void add_tokens(ClipDefinition& definition, const Json& config, const Json& tokenizer) {
  if (const auto found = config.find("added_tokens_decoder"); found != config.end() && found->is_object()) {
    for (const auto& [id, token] : found->items()) {
      const bool digits = !id.empty() && id.size() < 10 && std::all_of(id.begin(), id.end(), [](char c) {
        return c >= '0' && c <= '9';
      });
      if (!digits) fail_field("tokenizer_config.json", "added_tokens_decoder", "ids as keys");
      add_token(definition, token, std::stoll(id));
    }
  } else if (const auto list = tokenizer.find("added_tokens"); list != tokenizer.end() && list->is_array()) {
    for (const Json& token : *list) {
      const bool has_id = token.is_object() && token.contains("id") && token["id"].is_number_integer();
      add_token(definition, token, has_id ? token["id"].get<int64_t>() : -1);
    }
  }
}

// A special token is a string or an object {content, normalized}. Later settings of one text win, and all lose to the
// list of added tokens, where there is one.
void read_special(ClipDefinition& definition, const Json& value, const std::string& name, bool listed,
                  std::string& target) {
  bool normalized = false;
  if (value.is_string()) {
    target = value.get<std::string>();
  } else if (value.is_object() && value.contains("content") && value["content"].is_string()) {
    target = value["content"].get<std::string>();
    normalized = value.value("normalized", false);
  } else {
    fail_field("tokenizer_config.json", name, "a string or an object with a content");
  }
  const bool known = std::any_of(definition.specials.begin(), definition.specials.end(),
                                 [&](const SpecialToken& token) { return token.text == target; });
  if (!target.empty() && !(listed && known)) set_special(definition, target, normalized);
}

void read_specials(ClipDefinition& definition, const Json& config, const Json& map) {
  const bool listed = !definition.specials.empty();
  const struct {
    const char* name;
    std::string& target;
  } rows[] = {{"bos_token", definition.start},
              {"eos_token", definition.end},
              {"unk_token", definition.unknown},
              {"pad_token", definition.pad}};
  for (const auto& [name, target] : rows) {
    // The older file overrides, except beside a list of added tokens, where transformers ignores it.
    const auto old = map.find(name), own = config.find(name);
    const bool use_old = old != map.end() && !old->is_null() && (!listed || own == config.end() || own->is_null());
    if (use_old) {
      read_special(definition, *old, name, listed, target);
    } else if (own != config.end() && !own->is_null()) {
      read_special(definition, *own, name, listed, target);
    } else if (!listed) {
      set_special(definition, target, false);
    }
  }
}

std::string read_if_present(const fs::path& file) { return fs::exists(file) ? read_file(file) : std::string(); }

}  // namespace

TokenizerFiles read_tokenizer_files(const fs::path& folder) {
  TokenizerFiles files{.vocab = read_if_present(folder / "vocab.json"),
                       .merges = read_if_present(folder / "merges.txt"),
                       .tokenizer_config = read_if_present(folder / "tokenizer_config.json"),
                       .special_tokens_map = read_if_present(folder / "special_tokens_map.json"),
                       .tokenizer = read_if_present(folder / "tokenizer.json")};
  if ((files.vocab.empty() || files.merges.empty()) && files.tokenizer.empty()) {
    fail(ErrorCode::NotFound,
         "tokenizer {}: want vocab.json with merges.txt, or tokenizer.json; found neither; fetch the whole folder",
         folder.string());
  }
  return files;
}

ClipDefinition parse_tokenizer_files(const TokenizerFiles& files) {
  ClipDefinition definition;
  Json tokenizer = Json::object();
  if (!files.vocab.empty() && !files.merges.empty()) {
    definition.vocabulary = parse_vocabulary(parse_json(files.vocab, "vocab.json"), "vocab.json");
    definition.merges = parse_merges(std::string_view(files.merges));
  } else {
    tokenizer = parse_optional(files.tokenizer, "tokenizer.json");
    const auto model = tokenizer.find("model");
    if (model == tokenizer.end() || !model->is_object() || !model->contains("vocab") || !model->contains("merges")) {
      fail_field("tokenizer.json", "model", "an object with vocab and merges");
    }
    definition.vocabulary = parse_vocabulary((*model)["vocab"], "tokenizer.json");
    definition.merges = parse_merges((*model)["merges"]);
  }
  const Json config = parse_optional(files.tokenizer_config, "tokenizer_config.json");
  add_tokens(definition, config, tokenizer);
  read_specials(definition, config, parse_optional(files.special_tokens_map, "special_tokens_map.json"));
  if (const auto limit = config.find("model_max_length"); limit != config.end() && limit->is_number()) {
    const double value = limit->get<double>();
    if (!(value >= 3)) fail_field("tokenizer_config.json", "model_max_length", "at least 3");
    if (value < kLargestLimit) definition.max_tokens = static_cast<int64_t>(value);
  }
  return definition;
}

}  // namespace nibble
