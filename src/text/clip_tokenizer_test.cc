#include "text/clip_tokenizer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "tensor/golden_test.h"
#include "text/unicode.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/text/clip_tokenizer/data.safetensors";

uint64_t hash_ids(std::span<const int32_t> ids) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ (static_cast<uint32_t>(id) >> shift & 0xFF)) * 0x100000001B3;
    }
  }
  return hash;
}

struct Sample {
  std::string text;
  std::vector<int32_t> ids;
};

std::vector<Sample> samples(const GoldenFile& golden, const std::string& name) {
  const std::string text = golden.text(name + ".text");
  const auto ids = golden[name + ".ids"].values<int32_t>();
  const auto text_end = golden[name + ".text_end"].values<int32_t>();
  const auto ids_end = golden[name + ".ids_end"].values<int32_t>();
  std::vector<Sample> out;
  size_t text_begin = 0, ids_begin = 0;
  for (size_t i = 0; i < text_end.size(); ++i) {
    const size_t te = static_cast<size_t>(text_end[i]), ie = static_cast<size_t>(ids_end[i]);
    out.push_back({text.substr(text_begin, te - text_begin),
                   {ids.begin() + static_cast<int64_t>(ids_begin), ids.begin() + static_cast<int64_t>(ie)}});
    text_begin = te;
    ids_begin = ie;
  }
  return out;
}

void expect_ids(const ClipTokenizer& tokenizer, const std::vector<Sample>& list) {
  ASSERT_FALSE(list.empty());
  for (const Sample& sample : list) EXPECT_EQ(tokenizer.encode(sample.text), sample.ids) << '"' << sample.text << '"';
}

TEST(ClipTokenizer, Packaged_vocabulary_has_the_published_ids) {
  const ClipTokenizer tokenizer = ClipTokenizer::packaged();
  EXPECT_EQ(tokenizer.vocabulary_size(), 49408);
  EXPECT_EQ(tokenizer.start_id(), 49406);
  EXPECT_EQ(tokenizer.end_id(), 49407);
  EXPECT_EQ(tokenizer.pad_id(), 49407);
  EXPECT_EQ(tokenizer.comma_id(), 267);
  EXPECT_EQ(tokenizer.max_tokens(), 77);
  EXPECT_EQ(ClipTokenizer::packaged("!").pad_id(), 0);
  EXPECT_THROW(ClipTokenizer::packaged("no such token"), Error);
}

TEST(ClipTokenizer, Nasty_texts_equal_transformers) {
  const GoldenFile golden(kGolden);
  expect_ids(ClipTokenizer::packaged(), samples(golden, "nasty"));
  expect_ids(ClipTokenizer::packaged("!"), samples(golden, "nasty_sd2"));
}

TEST(ClipTokenizer, Captions_have_openais_ids) {
  const ClipTokenizer tokenizer = ClipTokenizer::packaged();
  const std::vector<Sample> published = {
      {"a photo of a cat", {320, 1125, 539, 320, 2368}},
      {"Good photo.", {886, 1125, 269}},
      {"Bad photo.", {2103, 1125, 269}},
      {"A cat holding a sign that says hello world", {320, 2368, 5050, 320, 2292, 682, 1563, 3306, 1002}},
      {"A city at night with people walking around.", {320, 1305, 536, 930, 593, 1047, 3941, 1630, 269}},
      {"three people riding on the backs of elephants ", {2097, 1047, 6765, 525, 518, 7562, 539, 16871}},
      {"", {}}};
  expect_ids(tokenizer, published);
  EXPECT_EQ(tokenizer
                .encode("beautiful British garden5, clear sky, unreal engine, detailed, tropical plants ,strong ambient lighting, "
                        "volumetric lighting, forest plants and leaves, strong light, a lot of leaves in font, 3D effect, "
                        "8k render, bright color rendering ")
                .size(),
            50u);
}

TEST(ClipTokenizer, Every_character_of_Unicode_14_equals_transformers) {
  const GoldenFile golden(kGolden);
  const ClipTokenizer tokenizer = ClipTokenizer::packaged();
  const auto ranges = golden["characters.ranges"].values<int32_t>();
  const auto blocks = golden["characters.block"].values<int32_t>();
  const auto hashes = golden["characters.hash"].values<int64_t>();
  std::map<int32_t, std::vector<int32_t>> ids;
  for (size_t i = 0; i < ranges.size(); i += 2) {
    for (int32_t c = ranges[i]; c < ranges[i + 1]; ++c) {
      const char32_t point = static_cast<char32_t>(c);
      const std::vector<int32_t> found = tokenizer.encode(format("x{}Y1", encode_utf8({&point, 1})));
      ids[c >> 8].insert(ids[c >> 8].end(), found.begin(), found.end());
    }
  }
  ASSERT_EQ(ids.size(), blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(hash_ids(ids[blocks[i]]), static_cast<uint64_t>(hashes[i])) << "block " << std::hex << blocks[i] << "xx";
  }
}

void expect_lines(const std::string& name, const fs::path& relative, bool has_header) {
  const char* variable = std::getenv("NIBBLE_SHARED_DATA");
  const fs::path folder = variable ? fs::path(variable) : fs::path(NIBBLE_SOURCE_DIR) / "../shared/data";
  const fs::path file = folder / relative;
  if (!fs::exists(file)) GTEST_SKIP() << "absent: " << file;
  const GoldenFile golden(kGolden);
  const ClipTokenizer tokenizer = ClipTokenizer::packaged();
  const auto hashes = golden[name + ".hash"].values<int64_t>();
  std::ifstream stream(file);
  std::string line;
  if (has_header) std::getline(stream, line);
  size_t count = 0, wrong = 0;
  while (std::getline(stream, line)) {
    if (line.empty()) continue;
    ASSERT_LT(count, hashes.size());
    const bool equal = hash_ids(tokenizer.encode(line)) == static_cast<uint64_t>(hashes[count++]);
    if (!equal && ++wrong <= 5) ADD_FAILURE() << line;
  }
  EXPECT_EQ(count, hashes.size());
  EXPECT_EQ(wrong, 0u);
}

TEST(ClipTokenizer, All_5000_COCO_captions_equal_transformers) {
  expect_lines("captions", "coco/captions_source.tsv", true);
}

TEST(ClipTokenizer, All_PartiPrompts_equal_transformers) { expect_lines("parti", "prompts/PartiPrompts.tsv", false); }

TEST(ClipTokenizer, Settings_of_published_folders_equal_transformers) {
  const GoldenFile golden(kGolden);
  const auto optional_text = [&](const std::string& name) { return golden.has(name) ? golden.text(name) : ""; };
  std::string names = golden.text("settings.names");
  int count = 0;
  while (!names.empty()) {
    const std::string name = "settings." + names.substr(0, names.find('\n'));
    names.erase(0, name.size() - 9 + 1);
    SCOPED_TRACE(name);
    TokenizerFiles files;
    files.tokenizer = optional_text(name + "/tokenizer.json");
    if (files.tokenizer.empty()) {
      files.vocab = golden.text("settings.vocab");
      files.merges = golden.text("settings.merges");
    }
    files.tokenizer_config = optional_text(name + "/tokenizer_config.json");
    files.special_tokens_map = optional_text(name + "/special_tokens_map.json");
    const ClipTokenizer tokenizer(parse_tokenizer_files(files));
    const auto want = golden[name + ".pad"].values<int32_t>();
    EXPECT_EQ(tokenizer.pad_id(), want[0]);
    EXPECT_EQ(tokenizer.max_tokens(), want[1]);
    expect_ids(tokenizer, samples(golden, name));
    ++count;
  }
  EXPECT_EQ(count, 7);
}

TEST(ClipTokenizer, Loads_a_folder_and_names_what_is_missing) {
  const GoldenFile golden(kGolden);
  const fs::path folder = fs::path(::testing::TempDir()) / "nibble_clip_tokenizer";
  fs::remove_all(folder);
  fs::create_directories(folder);
  write_file(folder / "vocab.json", golden.text("settings.vocab"));
  try {
    ClipTokenizer::load(folder);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::NotFound);
    EXPECT_NE(std::string(error.what()).find("merges.txt"), std::string::npos) << error.what();
  }
  write_file(folder / "merges.txt", golden.text("settings.merges"));
  EXPECT_EQ(ClipTokenizer::load(folder).vocabulary_size(), 814);
  fs::remove_all(folder);
}

TEST(ClipTokenizer, Damaged_files_are_refused) {
  const GoldenFile golden(kGolden);
  const TokenizerFiles good{.vocab = golden.text("settings.vocab"), .merges = golden.text("settings.merges")};
  const auto refused = [](TokenizerFiles files) {
    try {
      const ClipTokenizer tokenizer(parse_tokenizer_files(files));
    } catch (const Error& error) {
      return error.code() == ErrorCode::Corrupt;
    }
    return false;
  };
  const auto with = [&](auto change) {
    TokenizerFiles files = good;
    change(files);
    return files;
  };
  EXPECT_FALSE(refused(good));
  EXPECT_TRUE(refused(with([](auto& f) { f.vocab = "[1, 2]"; })));
  EXPECT_TRUE(refused(with([](auto& f) { f.vocab = "{\"a\": \"b\"}"; })));
  EXPECT_TRUE(refused(with([](auto& f) { f.vocab = "{\"<|endoftext|>\": -1}"; })));
  EXPECT_TRUE(refused(with([](auto& f) { f.vocab = "{\"<|endoftext|>\": 2000000000}"; })));
  EXPECT_TRUE(refused(with([](auto& f) { f.vocab = "{\"<|endoftext|>\": 1e400}"; })));
  EXPECT_TRUE(refused(with([](auto& f) { f.vocab.resize(f.vocab.size() / 2); })));
  EXPECT_TRUE(refused(with([](auto& f) { f.merges = "one\n"; })));
  EXPECT_TRUE(refused(with([](auto& f) { f.merges = "a b c\n"; })));
  EXPECT_TRUE(refused(with([](auto& f) { f.merges = "not there\n"; })));
  EXPECT_TRUE(refused(with([](auto& f) { f.tokenizer_config = "[]"; })));
  EXPECT_TRUE(refused(with([](auto& f) { f.tokenizer_config = R"({"model_max_length": 2})"; })));
  EXPECT_TRUE(refused(with([](auto& f) { f.tokenizer_config = R"({"pad_token": 7})"; })));
  EXPECT_TRUE(refused(with([](auto& f) { f.tokenizer_config = R"({"pad_token": "absent"})"; })));
  EXPECT_TRUE(refused(with([](auto& f) { f.tokenizer_config = R"({"added_tokens_decoder": {"x": {}}})"; })));
  EXPECT_TRUE(refused({.tokenizer = "{}"}));
  EXPECT_TRUE(refused({.tokenizer = R"({"model": {"vocab": {}, "merges": [1]}})"}));
}

TEST(ClipTokenizer, Bytes_that_are_not_UTF8_become_the_replacement_character) {
  const ClipTokenizer tokenizer = ClipTokenizer::packaged();
  EXPECT_EQ(tokenizer.encode("a\xff z"), tokenizer.encode("a\xef\xbf\xbd z"));
  EXPECT_EQ(tokenizer.encode("\xc3"), tokenizer.encode("\xef\xbf\xbd"));
}

TEST(ClipTokenizer, Decodes_to_readable_text) {
  const ClipTokenizer tokenizer = ClipTokenizer::packaged();
  const std::vector<int32_t> ids = {49406, 320, 1125, 539, 320, 2368, 49407};
  EXPECT_EQ(tokenizer.decode(ids), "a photo of a cat");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("Một con mèo 猫")), "một con mèo 猫");
}

}  // namespace
}  // namespace nibble
