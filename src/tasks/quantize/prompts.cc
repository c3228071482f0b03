// The project's own calibration prompts: everyday subjects in many looks, so that activations take their usual ranges.
#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "data/formats.h"
#include "data/text_table.h"
#include "tasks/quantize/calibration.h"

namespace nibble {
namespace {

constexpr const char* kGeneral[] = {
    "a photo of a cat sleeping on a red armchair",
    "an old lighthouse on a cliff at sunset, oil painting",
    "a bowl of noodle soup with steam, food photography",
    "portrait of an elderly fisherman with a white beard, dramatic light",
    "a futuristic city street in the rain with neon signs",
    "a watercolor of three birches beside a lake in autumn",
    "a small wooden robot watering flowers in a garden",
    "aerial view of green rice terraces in the morning fog",
    "a black and white photograph of a jazz band on stage",
    "a child flying a kite on a wide beach",
    "macro shot of a dewdrop on a spider web",
    "a cozy library with tall shelves and a fireplace, digital art",
    "a snowy mountain village at night under a starry sky",
    "a glass vase with yellow tulips on a marble table",
    "a steam locomotive crossing a stone bridge",
    "an astronaut riding a horse in the desert",
    "a plate of fresh strawberries and cream, top view",
    "a medieval market square full of people, detailed illustration",
    "a blue sports car parked in front of a modern house",
    "a fox walking through a birch forest in winter",
    "close-up of a mechanical watch movement",
    "a sailing ship in a storm, in the style of a woodcut",
    "a group of friends playing cards around a kitchen table",
    "a minimalist poster of a mountain and a red sun",
    "an empty subway station with long shadows",
    "a parrot with bright feathers on a branch, jungle background",
    "a pencil sketch of a sleeping dog",
    "an island floating above the clouds, fantasy art",
    "a farmer driving a tractor across a golden wheat field",
    "a cup of coffee beside an open notebook, soft window light",
    "a knight in worn armour standing in a misty forest",
    "a street musician playing the violin in an old town",
};

constexpr const char* kEmoji[] = {
    "red apple, fluent 3d",      "dog face, noto",          "rocket, twemoji",             "grinning face, fluent flat",
    "thumbs up, noto",           "pizza, fluent 3d",        "cat face, fxemoji",           "flag, twemoji",
    "house with garden, noto",   "soccer ball, fluent 3d",  "red heart, fluent flat",      "bus, noto",
    "crying face, twemoji",      "umbrella, fluent flat",   "waving hand, medium skin",    "tree, fxemoji",
    "fish, noto",                "guitar, fluent 3d",       "sun with face, twemoji",      "teacher, noto",
    "birthday cake, fluent 3d",  "airplane, fluent flat",   "snowman, fxemoji",            "clock, twemoji",
    "butterfly, noto",           "book, fluent 3d",         "banana, fluent flat",         "ghost, fxemoji",
    "ship, noto",                "crown, fluent 3d",        "key, twemoji",                "family, noto",
};

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
  return emoji ? std::vector<std::string>(std::begin(kEmoji), std::end(kEmoji))
               : std::vector<std::string>(std::begin(kGeneral), std::end(kGeneral));
}

}  // namespace

std::vector<std::string> calibration_prompts(const LoadedModel& model, const QuantizeRequest& request) {
  const std::vector<std::string> known = known_prompts(model, request.calibration);
  if (known.empty())
    fail(ErrorCode::Corrupt,
         "calibration prompts {}: no prompt in it; want one a line, a YAML list, or a data set of 'nibble dataset "
         "--help'",
         request.calibration.string());
  const int count = trajectory_count(model, request);
  const auto drawn = sample_indices(static_cast<int64_t>(known.size()), count, request.seed);
  std::vector<std::string> prompts;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i)
    prompts.push_back(known[static_cast<size_t>(drawn[i % drawn.size()])]);
  return prompts;
}

}  // namespace nibble
