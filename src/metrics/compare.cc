#include "metrics/compare.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "image/codec.h"
#include "image/resize.h"
#include "metrics/difference.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPairsBetweenReports = 4;  // for each thread

struct PairPaths {
  std::string name;
  fs::path reference, other;
};

bool is_picture_name(const fs::path& file) {
  std::string extension = file.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg" || extension == ".webp";
}

std::vector<PairPaths> match_folders(Comparison& comparison) {
  const auto references = pictures_in(comparison.reference), others = pictures_in(comparison.other);
  std::vector<PairPaths> pairs;
  for (const auto& [name, file] : references) {
    if (const auto other = others.find(name); other != others.end()) {
      pairs.push_back({name, file, other->second});
    } else {
      comparison.only_reference.push_back(name);
    }
  }
  for (const auto& [name, file] : others) {
    if (!references.contains(name)) comparison.only_other.push_back(name);
  }
  if (pairs.empty()) {
    fail(ErrorCode::NotFound, "folders {} and {}: no picture has the same name in both ({} and {} pictures)",
         comparison.reference.string(), comparison.other.string(), references.size(), others.size());
  }
  return pairs;
}

std::vector<PairPaths> find_pairs(Comparison& comparison) {
  for (const fs::path& path : {comparison.reference, comparison.other}) {
    if (!fs::exists(path))
      fail(ErrorCode::NotFound, "path {}: want a picture or a folder, found nothing", path.string());
  }
  const bool folder = fs::is_directory(comparison.reference);
  if (folder != fs::is_directory(comparison.other)) {
    fail(ErrorCode::InvalidArgument, "paths {} and {}: want two pictures or two folders, found one of each",
         comparison.reference.string(), comparison.other.string());
  }
  if (folder) return match_folders(comparison);
  return {{comparison.other.filename().string(), comparison.reference, comparison.other}};
}

ComparedPair compare_pair(const PairPaths& paths, const std::vector<const PairMetric*>& metrics) {
  ComparedPair pair;
  pair.name = paths.name;
  Image reference = read_rgb(paths.reference);
  const Image other = read_rgb(paths.other);
  pair.resized = reference.width != other.width || reference.height != other.height;
  if (pair.resized) reference = resize(reference, other.width, other.height, ResizeFilter::Bicubic);
  for (const PairMetric* metric : metrics) pair.values.push_back(metric->measure(reference, other));
  pair.mse = mean_squared_error(reference, other);
  return pair;
}

}  // namespace

std::map<std::string, fs::path> pictures_in(const fs::path& folder) {
  std::map<std::string, fs::path> pictures;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || !is_picture_name(entry.path())) continue;
    const std::string name = entry.path().lexically_relative(folder).replace_extension().generic_string();
    const auto [other, is_new] = pictures.emplace(name, entry.path());
    if (!is_new) {
      fail(ErrorCode::InvalidArgument, "folder {}: two pictures are named {} ({} and {}); remove one", folder.string(),
           name, other->second.filename().string(), entry.path().filename().string());
    }
  }
  return pictures;
}

int64_t Comparison::identical() const {
  return std::count_if(pairs.begin(), pairs.end(), [](const ComparedPair& pair) { return pair.mse == 0; });
}

double Comparison::mean(size_t metric) const {
  double sum = 0;
  for (const ComparedPair& pair : pairs) sum += pair.values[metric];
  return sum / static_cast<double>(pairs.size());
}

double Comparison::mean_of_different(size_t metric) const {
  double sum = 0;
  for (const ComparedPair& pair : pairs) sum += pair.mse == 0 ? 0 : pair.values[metric];
  return sum / static_cast<double>(static_cast<int64_t>(pairs.size()) - identical());
}

double Comparison::pooled_psnr() const {
  double sum = 0;
  for (const ComparedPair& pair : pairs) sum += pair.mse;
  return psnr_of_mse(sum / static_cast<double>(pairs.size()));
}

Comparison compare_pictures(Context& context, const fs::path& reference, const fs::path& other,
                            std::vector<const PairMetric*> metrics) {
  Comparison comparison{.reference = reference, .other = other, .metrics = std::move(metrics)};
  const std::vector<PairPaths> paths = find_pairs(comparison);
  const int64_t total = static_cast<int64_t>(paths.size());
  comparison.pairs.resize(paths.size());
  const int64_t step = kPairsBetweenReports * context.threads.size();
  for (int64_t done = 0; done < total; done += step) {
    context.check_cancelled();
    context.report("compare", done, total);
    context.threads.run(std::min(step, total - done), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = done + begin; i < done + end; ++i) {
        comparison.pairs[static_cast<size_t>(i)] = compare_pair(paths[static_cast<size_t>(i)], comparison.metrics);
      }
    });
  }
  context.report("compare", total, total);
  return comparison;
}

}  // namespace nibble
