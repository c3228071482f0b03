#include "metrics/aesthetic.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

fs::path shared_data() {
  const char* folder = std::getenv("NIBBLE_SHARED_DATA");
  return folder != nullptr ? fs::path(folder) : fs::path(NIBBLE_SOURCE_DIR) / ".." / "shared" / "data";
}

// With the published head, in float64.
TEST(Aesthetic, Published_head_gives_the_numeric_cases) {
  const fs::path file = shared_data() / "aesthetic" / "sac+logos+ava1-l14-linearMSE.pth";
  if (!fs::exists(file)) GTEST_SKIP() << "no " << file << "; set NIBBLE_SHARED_DATA";
  const AffineHead head = read_aesthetic_head(file);
  Tensor vectors = Tensor::zeros(DType::F32, {2, 768});
  for (uint64_t i = 0; i < 768; ++i) {
    uint64_t z = 3 + (i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    vectors.mutable_values<float>()[768 + i] = static_cast<float>(2 * static_cast<double>(z >> 40) * 0x1p-24 - 1);
  }
  const std::vector<double> scores = aesthetic_scores(head, vectors);
  EXPECT_NEAR(scores[0], 5.23664584, 1e-5);  // the cases are of a float32 network
  EXPECT_NEAR(scores[1], 5.46102582, 1e-5);
}

TEST(Aesthetic, Other_heads_are_refused) {
  const fs::path file = shared_data() / "lpips" / "alex.pth";
  if (!fs::exists(file)) GTEST_SKIP() << "no " << file << "; set NIBBLE_SHARED_DATA";
  EXPECT_THROW(read_aesthetic_head(file), Error);
  const fs::path aesthetic = shared_data() / "aesthetic" / "sac+logos+ava1-l14-linearMSE.pth";
  EXPECT_THROW(read_affine_head(open_weights(aesthetic), "layers.", 512), Error);
}

}  // namespace
}  // namespace nibble
