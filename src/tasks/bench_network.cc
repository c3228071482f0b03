#include "tasks/bench_network.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "metrics/clip_network.h"
#include "metrics/inception_features.h"
#include "metrics/published_weights.h"
#include "tasks/wall_seconds.h"

namespace nibble {
namespace {

std::vector<Image> noise(int64_t count, int64_t side) {
  std::vector<Image> pictures;
  uint64_t state = 1;
  for (int64_t i = 0; i < count; ++i) {
    Image picture(side, side, 3);
    for (uint8_t& p : picture.pixels) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      p = static_cast<uint8_t>(state >> 56);
    }
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

double best_of(int runs, const std::function<void()>& body) {
  body();
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < runs; ++i) best = std::min(best, wall_seconds(body));
  return best;
}

}  // namespace

NetworkBench bench_network(Context& context, const std::string& network, int64_t batch, int runs) {
  NetworkBench bench{network, batch, 0};
  if (network == "inception-fid") {
    InceptionFeatures features(context, require_weights(network));
    const std::vector<Image> pictures = noise(batch, models::InceptionV3::kSize);
    const FidPipeline& pipeline = find_fid_pipeline("torch-fidelity");
    bench.seconds = best_of(runs, [&] { features(pictures, pipeline); });
  } else if (network.starts_with("clip-vit-")) {
    constexpr int64_t kSide = 224;
    ClipNetwork clip(context, require_weights(network));
    const std::vector<Image> pictures = noise(batch, kSide);
    bench.seconds = best_of(runs, [&] { clip.picture_vectors(pictures); });
  } else {
    fail(ErrorCode::InvalidArgument, "network '{}': want inception-fid, clip-vit-b-32, clip-vit-b-16 or clip-vit-l-14",
         network);
  }
  return bench;
}

Json to_json(const NetworkBench& bench) {
  return {{"network", bench.network},
          {"batch", bench.batch},
          {"seconds", bench.seconds},
          {"pictures_per_second", bench.rate()}};
}

}  // namespace nibble
