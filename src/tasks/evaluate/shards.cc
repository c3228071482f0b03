#include "tasks/evaluate/shards.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/sha256.h"
#include "formats/safetensors_writer.h"
#include "formats/weight_file.h"
#include "metrics/feature_statistics.h"

namespace nibble {
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::milliseconds kPatience{200};

template <typename T>
std::vector<T> part_of(const std::vector<T>& all, int64_t first) {
  if (all.empty()) return {};
  const auto begin = all.begin() + first;
  return {begin, begin + std::min<int64_t>(kShardPictures, all.end() - begin)};
}

PictureSet part_of(const PictureSet& set, int64_t first) {
  return {set.name, part_of(set.pictures, first), part_of(set.references, first), part_of(set.texts, first)};
}

std::string state_of(const fs::path& file) {
  std::error_code error;
  const uintmax_t bytes = fs::file_size(file, error);
  if (error) fail(ErrorCode::NotFound, "file {}: {}", file.string(), error.message());
  return format("{} {} {}\n", file.filename().string(), bytes, fs::last_write_time(file).time_since_epoch().count());
}

// Changes when a picture, a prompt or the network does.
std::string fingerprint(const MeasureSource& source, const PictureSet& part) {
  Sha256 sum;
  const auto add = [&sum](const std::string& text) { sum.add(text.data(), text.size()); };
  for (const std::vector<fs::path>* files : {&source.files, &part.pictures, &part.references}) {
    for (const fs::path& file : *files) add(state_of(file));
    add("\n");
  }
  for (const std::string& text : part.texts) add(format("{} {}\n", text.size(), text));
  return sum.hex();
}

// A damaged file counts as absent: it is made again.
bool holds(const fs::path& file, const std::string& of) try {
  if (!fs::exists(file)) return false;
  const Metadata metadata = open_weights(file).metadata();
  const auto found = metadata.find("of");
  return found != metadata.end() && found->second == of;
} catch (const Error&) {
  return false;
}

}  // namespace

fs::path Shards::file_of(const MeasureSource& source, const PictureSet& set, int64_t first) const {
  return folder_ / set.name / format("{}-{:05}.safetensors", source.name, first / kShardPictures);
}

void Shards::measure(const MeasureSource& source, const PictureSet& set) const {
  const std::string stage = format("{} {}", source.name, set.name);
  Measure measure;
  for (int64_t first = 0; first < set.count(); first += kShardPictures) {
    context_.check_cancelled();
    context_.report(stage, first, set.count());
    if (first / kShardPictures % ranks_.size != ranks_.rank) continue;
    const PictureSet part = part_of(set, first);
    for (const std::vector<fs::path>* files : {&part.pictures, &part.references})
      for (const fs::path& file : *files)
        if (ranks_.size > 1) wait_for(context_, file);
    const fs::path file = file_of(source, set, first);
    const std::string of = fingerprint(source, part);
    if (holds(file, of)) continue;
    const QuietProgress quiet(context_);
    if (!measure) measure = source.open(context_);
    const Tensor rows = measure(part);
    NIBBLE_CHECK(rows.shape().rank() == 2 && rows.dim(0) == part.count(), "{} gives {} for {} pictures", source.name,
                 to_string(rows.shape()), part.count());
    fs::create_directories(file.parent_path());
    write_safetensors(file, {{"values", rows}}, {{"of", of}});
  }
  context_.report(stage, set.count(), set.count());
}

void Shards::read(const MeasureSource& source, const PictureSet& set,
                  const std::function<void(const Tensor&)>& use) const {
  for (int64_t first = 0; first < set.count(); first += kShardPictures) {
    const fs::path file = file_of(source, set, first);
    const std::string of = fingerprint(source, part_of(set, first));
    while (!holds(file, of)) {
      NIBBLE_CHECK(ranks_.size > 1, "{} of {} is not measured", source.name, set.name);
      context_.check_cancelled();
      std::this_thread::sleep_for(kPatience);
    }
    use(open_weights(file).get("values"));
  }
}

void wait_for(Context& context, const fs::path& file) {
  while (!fs::exists(file)) {
    context.check_cancelled();
    std::this_thread::sleep_for(kPatience);
  }
}

}  // namespace nibble
