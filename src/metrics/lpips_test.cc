#include "metrics/lpips.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "base/error.h"
#include "formats/safetensors_writer.h"
#include "formats/weight_file.h"
#include "image/noise_test.h"
#include "models/filled_weights_test.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

fs::path heads_folder() {
  const char* folder = std::getenv("NIBBLE_SHARED_DATA");
  return (folder ? fs::path(folder) : fs::path(NIBBLE_SOURCE_DIR) / "../shared/data") / "lpips";
}

std::shared_ptr<const WeightSource> source_of(const fs::path& path) {
  const WeightFile file = open_weights(path);
  return std::make_shared<WeightSource>(WeightSource{path.string(), [file](const std::string& name, const Shape&) { return file.find(name); }});
}

Lpips filled_lpips(Context& context, LpipsNet net, LpipsEpsilon epsilon = LpipsEpsilon::Original) {
  return Lpips(context, net, filled_weights(), source_of(heads_folder() / (to_string(net) + std::string(".pth"))), epsilon);
}

struct Pair {
  const char* name;
  Image a, b;
};

std::vector<Pair> make_pairs() {
  const Image s = smooth(0, 96, 80);
  Image noisy = s;
  const Image n = noise(44, 96, 80);
  for (size_t i = 0; i < n.pixels.size(); ++i) noisy.pixels[i] = static_cast<uint8_t>(std::clamp(s.pixels[i] + n.pixels[i] / 32 - 4, 0, 255));
  return {{"A", noise(42, 64, 64), noise(43, 64, 64)}, {"B", s, smooth(1, 96, 80)}, {"C", s, noisy}};
}

// eval.md 9.8: the reference implementations in float64; a float32 network gives them within 1e-5.
struct Known {
  LpipsNet net;
  double values[3];
};
constexpr Known kKnown[] = {{LpipsNet::Alex, {.0893516140459, .102371204064, .000300334014741}},
                            {LpipsNet::Squeeze, {.146736198921, .101650324435, .000503612229294}}};

TEST(Lpips, Known_values_of_filled_networks_and_the_published_heads) {
  if (!fs::exists(heads_folder())) GTEST_SKIP() << "no " << heads_folder() << ": set NIBBLE_SHARED_DATA";
  Context context(2);
  const std::vector<Pair> pairs = make_pairs();
  for (const Known& known : kKnown) {
    Lpips lpips = filled_lpips(context, known.net);
    for (size_t i = 0; i < pairs.size(); ++i) {
      const double found = lpips(pairs[i].a, pairs[i].b).total;
      EXPECT_NEAR(found, known.values[i], 1e-5 * known.values[i]) << to_string(known.net) << " " << pairs[i].name;
    }
  }
}

}  // namespace
}  // namespace nibble
