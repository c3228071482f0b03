#include "tasks/statistics.h"

#include "base/error.h"
#include "metrics/compare.h"
#include "tasks/evaluate/set_metrics.h"

namespace nibble {
namespace fs = std::filesystem;
namespace {

// Pictures of a folder, in the order of their names.
PictureSet set_of(const fs::path& folder, size_t index) {
  PictureSet set{format("{:03}", index), {}, {}, {}};
  for (const auto& [name, file] : pictures_in(folder)) set.pictures.push_back(file);
  if (set.pictures.empty())
    fail(ErrorCode::NotFound, "folder {}: no pictures (.png, .jpg, .jpeg, .webp)", folder.string());
  return set;
}

void check(const StatisticsRequest& request) {
  const std::string extension = request.out.extension().string();
  if (extension != ".npz" && extension != ".safetensors")
    fail(ErrorCode::InvalidArgument, "out {}: want a name that ends with .npz or .safetensors", request.out.string());
  if (request.inputs.empty())
    fail(ErrorCode::InvalidArgument, "inputs: want folders of pictures, or statistics to merge");
  for (const fs::path& input : request.inputs) {
    if (!fs::exists(input))
      fail(ErrorCode::NotFound, "input {}: want a folder of pictures or statistics, found nothing", input.string());
    if (input.extension() == ".npz")
      fail(ErrorCode::InvalidArgument, "input {}: an .npz cannot be merged exactly; want .safetensors", input.string());
  }
}

}  // namespace

StatisticsResult make_statistics(Context& context, const StatisticsRequest& request) {
  check(request);
  const FeatureKind& kind = find_feature_kind(request.features);
  const fs::path parts = request.out.string() + ".parts";
  const Shards shards(context, parts, request.ranks);
  StatisticsResult result{.request = request};
  FeatureStatistics all;
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const fs::path& input = request.inputs[i];
    if (!fs::is_directory(input)) {
      if (request.ranks.first()) merge(context, all, load_statistics(input, kind.name));
      continue;
    }
    const PictureSet set = set_of(input, i);
    shards.measure(kind.source(), set);
    if (request.ranks.first()) merge(context, all, FeatureSet(context, shards, kind, set).statistics());
  }
  if (!request.ranks.first()) return result;
  const FeatureGaussian gaussian = gaussian_of(all);
  if (request.out.extension() == ".npz")
    save_gaussian(request.out, gaussian);
  else
    save_statistics(request.out, all, kind.name);
  fs::remove_all(parts);
  result.pictures = all.count, result.width = all.width;
  for (int64_t i = 0; i < all.width; ++i) result.trace += gaussian.sigma[static_cast<size_t>(i * (all.width + 1))];
  return result;
}

std::string statistics_text(const StatisticsResult& result) {
  return format("{}: {} features of {} pictures, width {}, trace of the covariance {:.6g}\n",
                result.request.out.string(), result.request.features, result.pictures, result.width, result.trace);
}

Json to_json(const StatisticsResult& result) {
  return {{"out", result.request.out.string()},
          {"features", result.request.features},
          {"pictures", result.pictures},
          {"width", result.width},
          {"trace", result.trace}};
}

}  // namespace nibble
