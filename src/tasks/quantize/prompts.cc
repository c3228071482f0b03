// Which prompts a model is calibrated on.
#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "data/formats.h"
#include "data/text_table.h"
#include "tasks/quantize/calibration.h"
#include "tasks/quantize/own_prompts.h"

namespace nibble {
namespace {

// Lines of plain text, or the entries of a YAML list ("- text"); blank lines and comments are left out.
std::vector<std::string> read_lines(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  std::vector<std::string> prompts;
  for (std::string_view line : text_lines(text)) {
    line = trimmed(line);
    if (line.starts_with("- ")) line = trimmed(line.substr(2));
    if (line.empty() || line[0] == '#') continue;
    const bool quoted = line.size() >= 2 && (line.front() == '"' || line.front() == '\'') && line.back() == line.front();
    prompts.emplace_back(quoted ? line.substr(1, line.size() - 2) : line);
  }
  return prompts;
}

bool is_yaml_list(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  for (const std::string_view raw : text_lines(text))
    if (const std::string_view line = trimmed(raw); !line.empty() && line[0] != '#' && line != "---")
      return line.starts_with("- ");
  return false;
}

// A data set in a published layout gives the first caption of each item.
std::vector<std::string> read_prompts(const std::filesystem::path& file) {
  const auto& formats = caption_formats();
  const auto row =
      std::find_if(formats.begin(), formats.end(), [&](const CaptionFormat& f) { return f.recognises(file); });
  const std::string format_name = row == formats.end() ? "" : row->name;
  if (format_name.empty() || format_name == "prompts" || (format_name == "yaml" && is_yaml_list(file)))
    return read_lines(file);
  std::vector<std::string> prompts;
  for (const CaptionItem& item : read_captions(format_name, {file, ""}).items)
    if (!item.captions.empty() && !trimmed(item.captions[0]).empty()) prompts.emplace_back(trimmed(item.captions[0]));
  return prompts;
}

std::vector<std::string> known_prompts(const LoadedModel& model, const std::filesystem::path& file) {
  if (!file.empty()) return read_prompts(file);
  // A text encoder this narrow is the built-in model's.
  const bool emoji = !model.text_encoders.empty() && model.text_encoders[0].config.width < 512;
  return own_prompts(emoji ? PromptList::Emoji : PromptList::General);
}

std::vector<std::string> checked_prompts(const LoadedModel& model, const QuantizeRequest& request) {
  std::vector<std::string> known = known_prompts(model, request.calibration);
  if (known.empty())
    fail(ErrorCode::Corrupt,
         "calibration prompts {}: no prompt in it; want one a line, a YAML list, or a data set of 'nibble dataset "
         "--help'",
         request.calibration.string());
  return known;
}

}  // namespace

std::vector<std::string> calibration_prompts(const LoadedModel& model, const QuantizeRequest& request) {
  const std::vector<std::string> known = checked_prompts(model, request);
  const int count = trajectory_count(model, request);
  const auto drawn = sample_indices(static_cast<int64_t>(known.size()), count, request.seed);
  std::vector<std::string> prompts;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i)
    prompts.push_back(known[static_cast<size_t>(drawn[i % drawn.size()])]);
  return prompts;
}

std::vector<std::string> calibration_texts(const LoadedModel& model, const QuantizeRequest& request) {
  const std::vector<std::string> known = checked_prompts(model, request);
  std::vector<std::string> texts;
  for (const int64_t i : sample_indices(static_cast<int64_t>(known.size()), request.texts, request.seed))
    texts.push_back(known[static_cast<size_t>(i)]);
  return texts;
}

}  // namespace nibble
