#include "metrics/frechet.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <random>

#include "base/error.h"
#include "formats/npz.h"
#include "models/filled_weights_test.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

// factor · u(seed, k + 1) + offset, rounded to float32.
std::vector<double> uniform_rows(uint64_t seed, size_t count, double factor, double offset) {
  std::vector<double> rows(count);
  uint64_t i = 0;
  for (double& v : rows) v = filled_uniform(seed, ++i) * factor + offset;
  return rows;
}
std::vector<float> floats(const std::vector<double>& rows) { return {rows.begin(), rows.end()}; }

FeatureGaussian diagonal(const std::vector<double>& mean, const std::vector<double>& variance) {
  FeatureGaussian g{0, mean, std::vector<double>(mean.size() * mean.size())};
  for (size_t i = 0; i < mean.size(); ++i) g.sigma[i * mean.size() + i] = variance[i];
  return g;
}

TEST(Frechet, Closed_forms) {
  Context context(1);
  EXPECT_NEAR(frechet_distance(context, diagonal({1}, {4}), diagonal({3}, {9})).value, 5, 1e-13);
  EXPECT_NEAR(frechet_distance(context, diagonal({0, 1, 2}, {1, 4, 9}), diagonal({1, 1, 0}, {4, 4, 1})).value, 10,
              1e-13);
  const FeatureGaussian a{0, {0, 0}, {2, 1, 1, 2}}, b{0, {1, -1}, {3, -1, -1, 2}};
  EXPECT_NEAR(frechet_distance(context, a, b).value, 3.063762429862666, 1e-12);
  EXPECT_NEAR(frechet_distance(context, b, a).value, 3.063762429862666, 1e-12);
}

// X = u(1, ·) as 50x8, Y = 1.2 u(2, ·) + 0.1 as 40x8; 24-bit numbers, so X is exact in float32.
class FrechetRows : public ::testing::Test {
 protected:
  Context context{2};
  std::vector<float> x = floats(uniform_rows(1, 400, 1, 0));
  std::vector<double> y = uniform_rows(2, 320, 1.2, 0.1);

  // In float64, since Y is not made of float32 numbers.
  FeatureGaussian gaussian(std::span<const double> rows, int64_t width) {
    const int64_t n = static_cast<int64_t>(rows.size()) / width;
    FeatureGaussian g{n, std::vector<double>(static_cast<size_t>(width)),
                      std::vector<double>(static_cast<size_t>(width * width))};
    const auto at = [&](int64_t i, int64_t j) { return rows[static_cast<size_t>(i * width + j)]; };
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < width; ++j) g.mean[static_cast<size_t>(j)] += at(i, j) / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < width; ++j)
        for (int64_t k = 0; k < width; ++k)
          g.sigma[static_cast<size_t>(j * width + k)] += (at(i, j) - g.mean[static_cast<size_t>(j)]) *
                                                         (at(i, k) - g.mean[static_cast<size_t>(k)]) /
                                                         static_cast<double>(n - 1);
    return g;
  }
};

TEST_F(FrechetRows, Known_values) {
  const FeatureGaussian gx = gaussian_of(feature_statistics(context, x, 8)), gy = gaussian(y, 8);
  EXPECT_NEAR(gx.mean[0], .49811352968, 1e-11);
  EXPECT_NEAR(gx.sigma[0], .08246785730, 1e-11);
  EXPECT_NEAR(gx.sigma[1], .01442879682, 1e-11);
  const FrechetDistance d = frechet_distance(context, gx, gy);
  EXPECT_NEAR(d.trace_a, .653322203646149, 1e-14);
  EXPECT_NEAR(d.trace_b, .906052865209388, 1e-14);
  EXPECT_NEAR(d.mean_term, .356439295669329, 1e-14);
  EXPECT_NEAR(d.trace_root, .730990071984266, 1e-14);
  EXPECT_NEAR(d.value, .4538342205563, 1e-13);
  EXPECT_NEAR(frechet_distance(context, gx, gx).value, 0, 1e-14);
}

TEST_F(FrechetRows, Known_value_of_fewer_pictures_than_features) {
  const FeatureGaussian gx = gaussian_of(feature_statistics(context, std::span(x).first(40), 8)),
                        gy = gaussian(std::span(y).first(40), 8);
  EXPECT_NEAR(frechet_distance(context, gx, gy).value, .92316733, 1e-8);
  EXPECT_NEAR(frechet_distance(context, gx, gx).value, 0, 1e-14);
}

TEST_F(FrechetRows, Merging_equals_the_direct_scatter) {
  FeatureStatistics merged = feature_statistics(context, std::span(x).first(160), 8);
  merge(context, merged, feature_statistics(context, std::span(x).subspan(160), 8));
  const FeatureStatistics direct = feature_statistics(context, x, 8);
  EXPECT_EQ(merged.count, 50);
  EXPECT_NEAR(merged.scatter_at(0, 0), 4.040925007743361, 1e-14);
  EXPECT_NEAR(merged.scatter_at(1, 0), .707011044382756, 1e-14);
  for (size_t i = 0; i < direct.scatter.size(); ++i) EXPECT_NEAR(merged.scatter[i], direct.scatter[i], 1e-13);
  for (size_t i = 0; i < direct.mean.size(); ++i) EXPECT_NEAR(merged.mean[i], direct.mean[i], 1e-15);
}

TEST(Statistics_of_features, Are_the_same_bits_however_they_are_gathered) {
  constexpr int64_t kWidth = 33, kCount = 64 * 3 + 17;
  const std::vector<float> rows = floats(uniform_rows(5, kWidth * kCount, 3, -1));
  Context one(1), three(3);
  StatisticsBuilder all(one, kWidth), pieces(three, kWidth);
  all.add(rows);
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (size_t at = 0; at < rows.size();) {
    const size_t n = std::min<size_t>(rows.size() - at, (random() % 80) * kWidth);
    pieces.add(std::span(rows).subspan(at, n));
    at += n;
  }
  EXPECT_EQ(all.count(), kCount);
  EXPECT_EQ(all.finish(), pieces.finish());

  // Two processes with the shards 0, 2 and 1, 3, merged by index by the first.
  FeatureStatistics merged;
  for (size_t shard = 0; shard < 4; ++shard) {
    const std::span<const float> part =
        std::span(rows).subspan(shard * 64 * kWidth, std::min<size_t>(64 * kWidth, rows.size() - shard * 64 * kWidth));
    merge(one, merged, feature_statistics(shard % 2 == 0 ? one : three, part, kWidth));
  }
  EXPECT_EQ(merged, all.finish());

  // Interrupted after two shards, saved, resumed.
  StatisticsBuilder first(one, kWidth);
  first.add(std::span(rows).first(128 * kWidth));
  const fs::path file = fs::temp_directory_path() / ("nibble-statistics-" + std::to_string(seed) + ".safetensors");
  save_statistics(file, first.finish(), "test");
  StatisticsBuilder resumed(one, load_statistics(file, "test"));
  EXPECT_EQ(load_gaussian(file, "test").sigma, gaussian_of(first.finish()).sigma);
  EXPECT_THROW(load_statistics(file, "other"), Error);
  fs::remove(file);
  resumed.add(std::span(rows).subspan(128 * kWidth));
  EXPECT_EQ(resumed.finish(), all.finish());
  EXPECT_THROW(StatisticsBuilder(one, all.finish()), Error);
}

// pytorch-fid's files have mu and sigma only; ours also tell the count.
TEST(Statistics_of_features, Are_kept_as_npz) {
  Context context(1);
  const FeatureStatistics s = feature_statistics(context, floats(uniform_rows(5, 60, 1, 0)), 3);
  const FeatureGaussian g = gaussian_of(s);
  const fs::path file =
      fs::temp_directory_path() / ("nibble-gaussian-" + std::to_string(std::random_device()()) + ".npz");
  save_gaussian(file, g);
  const FeatureGaussian found = load_gaussian(file, "test");
  EXPECT_EQ(found.count, 20);
  EXPECT_EQ(found.mean, g.mean);
  EXPECT_EQ(found.sigma, g.sigma);
  fs::remove(file);
  // Arrays mu [5] and sigma [5, 5] that numpy wrote, of 40 rows; its count is a scalar.
  const FeatureGaussian numpy =
      load_gaussian(fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/formats/npz/deflated.npz", "any");
  EXPECT_EQ(numpy.width(), 5);
  EXPECT_EQ(numpy.count, 40);
  EXPECT_EQ(numpy.sigma[1], numpy.sigma[5]);
  const fs::path other =
      fs::temp_directory_path() / ("nibble-wrong-" + std::to_string(std::random_device()()) + ".npz");
  write_npz(other, {{"mu", Tensor::zeros(DType::F64, {3})}, {"sigma", Tensor::zeros(DType::F64, {3, 4})}});
  EXPECT_THROW(load_gaussian(other, "test"), Error);
  write_npz(other, {{"sigma", Tensor::zeros(DType::F64, {3, 3})}});
  EXPECT_THROW(load_gaussian(other, "test"), Error);
  fs::remove(other);
}

TEST(Statistics_of_features, Wrong_uses_are_errors) {
  Context context(1);
  const std::vector<float> rows = floats(uniform_rows(5, 12, 1, 0));
  FeatureStatistics a = feature_statistics(context, rows, 3);
  EXPECT_THROW(merge(context, a, feature_statistics(context, rows, 4)), Error);
  EXPECT_THROW(gaussian_of(feature_statistics(context, rows, 12)), Error);
  EXPECT_THROW(frechet_distance(context, gaussian_of(a), gaussian_of(feature_statistics(context, rows, 4))), Error);
  FeatureGaussian broken = gaussian_of(a);
  broken.sigma[2] = std::nan("");
  EXPECT_THROW(frechet_distance(context, broken, broken), Error);
}

// Two samples of n of one Gaussian of 64 dimensions are about 2,200 / n apart.
TEST(Frechet, Falls_with_the_number_of_pictures_and_extrapolates_to_nothing) {
  Context context(2);
  std::mt19937_64 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> a(64 * 2048), b(a.size());
  for (std::vector<float>* rows : {&a, &b})
    for (float& v : *rows) v = normal(random);
  const auto distance = [&](int64_t n) {
    const auto part = [&](const std::vector<float>& rows) {
      return gaussian_of(feature_statistics(context, std::span(rows).first(static_cast<size_t>(n * 64)), 64));
    };
    return frechet_distance(context, part(a), part(b)).value;
  };
  for (const int64_t n : {512, 1024, 2048}) EXPECT_NEAR(distance(n) * static_cast<double>(n), 2200, 220) << n;
  EXPECT_NEAR(extrapolated_distance(distance, 512, 2048), 0, 0.1);
  EXPECT_NEAR(extrapolated_distance([](int64_t n) { return 7 + 300.0 / static_cast<double>(n); }, 100, 1000), 7, 1e-12);
}

}  // namespace
}  // namespace nibble
