// KID, the Inception Score and the Fréchet distance against the reference packages on features by formula.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "metrics/frechet.h"
#include "metrics/inception_score.h"
#include "metrics/kid.h"
#include "metrics/subset_random.h"
#include "models/filled_weights_test.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

GoldenFile golden_sets() { return GoldenFile(std::filesystem::path(NIBBLE_SOURCE_DIR) / "tests/golden/metrics/sets/data.safetensors"); }

double value(const GoldenFile& golden, const std::string& name, size_t i = 0) { return golden[name].values<double>()[i]; }

// As the case's make.py.
Tensor features(uint64_t seed, int64_t rows) {
  constexpr int64_t kWidth = 96;
  Tensor x = Tensor::zeros(DType::F32, {rows, kWidth});
  for (int64_t k = 0; k < x.count(); ++k) {
    const double v = std::max(0.0, 4 * filled_uniform(seed, static_cast<uint64_t>(k + 1)) - 1);
    x.mutable_values<float>()[static_cast<size_t>(k)] = static_cast<float>(v * static_cast<double>(1 + k / kWidth % 3));
  }
  return x;
}

Tensor uniform(uint64_t seed, const Shape& shape, double factor, double offset = 0) {
  Tensor x = Tensor::zeros(DType::F64, shape);
  uint64_t i = 0;
  for (double& v : x.mutable_values<double>()) v = factor * filled_uniform(seed, ++i) + offset;
  return x;
}

TEST(SetMetrics, Frechet_distance_equals_the_packages) {
  const GoldenFile golden = golden_sets();
  Context context(2);
  const Tensor a = features(11, 300), b = features(12, 260);
  const auto gaussian = [&](const Tensor& x, size_t rows) { return gaussian_of(feature_statistics(context, x.values<float>().first(rows * 96), 96)); };
  const double ab = frechet_distance(context, gaussian(a, 300), gaussian(b, 260)).value;
  for (const char* tool : {"schur", "torch-fidelity"}) EXPECT_NEAR(ab, value(golden, std::string("fid.ab.") + tool), 1e-9 * ab);
  const double few = frechet_distance(context, gaussian(a, 300), gaussian(b, 40)).value;
  // The packages take roots of eigenvalues that are round-off: 56 of them, of size √(1e-16) of the largest.
  EXPECT_NEAR(few, value(golden, "fid.few.schur"), 1e-6 * few);
  EXPECT_NEAR(few, value(golden, "fid.few.torch-fidelity"), 1e-6 * few);
}

TEST(SetMetrics, Kid_equals_the_packages_with_their_subsets) {
  const GoldenFile golden = golden_sets();
  Context context(2);
  const Tensor a = features(11, 300), b = features(12, 260);
  KidOptions options{KidSubsets::TorchFidelity, 20, 100, 2020};
  for (const char* tool : {"kid.torch-fidelity", "kid.torchmetrics"}) {
    const Kid kid = kernel_inception_distance(context, a, b, options);
    const double limit = 1e-9 * value(golden, tool, 1);
    EXPECT_NEAR(kid.mean, value(golden, tool, 0), limit) << tool;
    EXPECT_NEAR(kid.deviation, value(golden, tool, 1), limit) << tool;
    options = {KidSubsets::TorchMetrics, 20, 100, 7};
  }
  Context one(1);
  EXPECT_EQ(kernel_inception_distance(one, a, b, options).mean, kernel_inception_distance(context, a, b, options).mean);
  EXPECT_THROW(kernel_inception_distance(context, a, b, {.size = 261}), Error);
}

// Restated in float64.
TEST(SetMetrics, Known_values_of_the_discrepancy) {
  const Tensor x = uniform(1, {40, 8}, 1), y = uniform(2, {40, 8}, 1.2, 0.1);
  EXPECT_NEAR(polynomial_mmd(x, y), .36493773031389, 1e-12);
  Tensor p = Tensor::zeros(DType::F32, {2, 1}), q = p.clone();
  p.mutable_values<float>()[1] = 1;
  q.mutable_values<float>()[0] = 2;
  q.mutable_values<float>()[1] = 3;
  EXPECT_NEAR(polynomial_mmd(p, q), 297.5, 1e-12);
  EXPECT_THROW(polynomial_mmd(p, x), Error);
}

TEST(SetMetrics, Inception_score_equals_torch_fidelity) {
  const GoldenFile golden = golden_sets();
  const Tensor logits = uniform(13, {125, 50}, 6).to(DType::F32);
  for (const bool shuffle : {true, false}) {
    const char* name = shuffle ? "isc" : "isc.plain";
    const InceptionScore score = inception_score(logits, {.shuffle = shuffle});
    EXPECT_NEAR(score.mean, value(golden, name, 0), 1e-12 * score.mean) << name;
    EXPECT_NEAR(score.deviation, value(golden, name, 1), 1e-12 * score.mean) << name;
  }
  EXPECT_THROW(inception_score(logits, {.splits = 126}), Error);
  Tensor same = Tensor::zeros(DType::F32, {20, 8});
  EXPECT_NEAR(inception_score(same).mean, 1, 1e-14);
}

TEST(SetMetrics, Choices_of_numpy_and_torch) {
  const GoldenFile golden = golden_sets();
  Generator random(2020);
  for (const char* name : {"choice", "choice.second"}) {
    const std::vector<int64_t> found = numpy_permutation(random, 30);
    EXPECT_TRUE(std::ranges::equal(std::span(found).first(10), golden[name].values<int64_t>())) << name;
  }
  const std::vector<int64_t> head = {2398, 2360, 3232, 27, 1246, 2217, 3617, 3744}, five = {2, 4, 9, 1, 5};
  Generator fresh(2020), other(2020), torch(0);
  const std::vector<int64_t> of_5000 = numpy_permutation(fresh, 5000), of_10 = numpy_permutation(other, 10);
  EXPECT_TRUE(std::ranges::equal(std::span(of_5000).first(8), head));
  EXPECT_TRUE(std::ranges::equal(std::span(of_10).first(5), five));
  EXPECT_TRUE(std::ranges::equal(torch_permutation(torch, 10), golden["randperm"].values<int64_t>()));
}

}  // namespace
}  // namespace nibble
