// Fréchet distance and KID of real pictures: Fashion-MNIST's test set (Debian's dataset-fashion-mnist),
// each picture as the means of its 49 tiles of 4x4.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "base/file.h"
#include "base/inflate.h"
#include "metrics/frechet.h"
#include "metrics/kid.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = "/usr/share/datasets/fashion-mnist";
constexpr int64_t kCells = 49;
constexpr double kScale = 16 * 255;  // tiles are summed, which is exact in float32; distances scale with the square

class FashionMnist : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kFolder)) GTEST_SKIP() << "no " << kFolder << ": install dataset-fashion-mnist";
    pixels_ = unpacked("t10k-images-idx3-ubyte.gz", 16);
    labels_ = unpacked("t10k-labels-idx1-ubyte.gz", 8);
  }

  static std::string unpacked(const char* name, size_t header) {
    const std::string packed = read_file(kFolder / name);
    return inflate_bytes(std::as_bytes(std::span(packed)), Deflated::Gzip, size_t{1} << 24, name).substr(header);
  }

  std::vector<float> tiles(int64_t begin, int64_t end, int64_t label = -1, bool coarse = false) const {
    std::vector<float> rows;
    for (int64_t i = begin; i < end; ++i) {
      if (label >= 0 && labels_[static_cast<size_t>(i)] != label) continue;
      std::array<float, kCells> sums{};
      for (int64_t k = 0; k < 28 * 28; ++k) {
        const int p = static_cast<uint8_t>(pixels_[static_cast<size_t>(i * 28 * 28 + k)]);
        sums[static_cast<size_t>(k / 28 / 4 * 7 + k % 28 / 4)] +=
            static_cast<float>(coarse ? 17 * ((15 * p * 2 + 255) / 510) : p);
      }
      rows.insert(rows.end(), sums.begin(), sums.end());
    }
    return rows;
  }

  double distance(const std::vector<float>& a, const std::vector<float>& b) {
    const auto gaussian = [&](const std::vector<float>& rows) {
      return gaussian_of(feature_statistics(context_, rows, kCells));
    };
    return frechet_distance(context_, gaussian(a), gaussian(b)).value / (kScale * kScale);
  }

  static Tensor means(const std::vector<float>& rows) {
    Tensor tensor = Tensor::zeros(DType::F64, {static_cast<int64_t>(rows.size()) / kCells, kCells});
    std::ranges::transform(rows, tensor.mutable_values<double>().begin(),
                           [](float v) { return static_cast<double>(v) / kScale; });
    return tensor;
  }

  Context context_{2};
  std::string pixels_, labels_;
};

TEST_F(FashionMnist, Is_the_published_one) {
  EXPECT_EQ(std::accumulate(pixels_.begin(), pixels_.end(), int64_t{0},
                            [](int64_t sum, char p) { return sum + static_cast<uint8_t>(p); }),
            573'469'082);
  EXPECT_EQ(labels_.substr(0, 10), std::string("\x9\x2\x1\x1\x6\x1\x4\x6\x5\x7"));
}

// Digits as the note prints them; the distances lose what cancels in traces of about 1. Single classes have constant tiles,
// so their covariances are singular: 1e-8.
TEST_F(FashionMnist, Known_distances) {
  EXPECT_NEAR(distance(tiles(0, 5000), tiles(5000, 10000)), .004580166061949, 1e-11);
  EXPECT_NEAR(distance(tiles(0, 10000, 0), tiles(0, 10000, 1)), 2.113061804064, 1e-8);
  EXPECT_NEAR(distance(tiles(0, 10000, 0), tiles(0, 10000, 6)), .785185270301, 1e-8);
  EXPECT_NEAR(distance(tiles(0, 5000), tiles(0, 5000, -1, true)), 1.53149979e-05, 1e-11);
  EXPECT_NEAR(polynomial_mmd(means(tiles(0, 1000)), means(tiles(1000, 2000))), 6.27112e-05, 5e-11);
}

}  // namespace
}  // namespace nibble
