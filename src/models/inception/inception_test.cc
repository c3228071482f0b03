#include "models/inception/inception.h"

#include <cmath>

#include "graph/plan.h"
#include "image/exact_resize.h"
#include "image/noise_test.h"
#include "models/filled_weights_test.h"
#include "models/golden_case.h"

namespace nibble::models {
namespace {

const InceptionV3& network() {
  static const InceptionV3 made(Scope(filled_weights(), nullptr));
  return made;
}

// [1, 299, 299, 3] as pytorch-fid gives it to its network: 2 p / 255 - 1.
Tensor pytorch_fid_input(const Image& image) {
  const FloatImage picture = fid_picture(image, FidResize::PytorchFid);
  Tensor x = Tensor::zeros(DType::F32, {1, picture.height, picture.width, 3});
  std::ranges::transform(picture.pixels, x.mutable_values<float>().begin(), [](float p) { return 2 * (p / 255) - 1; });
  return x;
}

std::vector<Tensor> features_of(const Tensor& x, int threads = 2) {
  Context context(threads);
  Graph graph;
  const Value in = graph.input("picture", {DType::F32, x.shape()}, Rate::Prompt);
  const InceptionV3::Features f = network()(in);
  Plan plan(context, graph, {f.low64, f.low192, f.mid768, f.pool2048, f.logits_unbiased, f.logits});
  plan.bind(in, x);
  plan.run();
  std::vector<Tensor> out;
  for (int i = 0; i < 6; ++i) out.push_back(plan.output_copy(i));
  return out;
}

double sum_of(const Tensor& x) {
  double sum = 0;
  for (const float v : x.values<float>()) sum += static_cast<double>(v);
  return sum;
}

double norm_of(const Tensor& x) {
  double sum = 0;
  for (const float v : x.values<float>()) sum += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(sum);
}

// pytorch-fid's network file in float64 on filled weights.
TEST(Inception, Known_values_of_the_filled_network) {
  struct Known {
    std::array<double, 4> first;
    double sum;
  };
  constexpr Known kKnown[] = {{{1.250464826, 1.461595519, .3293399651, 1.296361069}, 37.2698483},
                              {{.2882610109, 2.379376133, .2386815219, 3.124768856}, 137.9019315},
                              {{2.759124505, 2.291544405, .0004684727, .8325784145}, 530.6929876},
                              {{1.210559493, .1753997138, .09088823161, 2.023973981}, 2072.85301},
                              {{-1.764069649, 1.330412113, 1.920469769, -.2576645285}, -44.01419232}};
  const Tensor x = pytorch_fid_input(noise(42, 48, 64));
  const float begin[] = {.48235294f, .48235294f, .45453472f};
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(x.values<float>()[3 * i], begin[i], 2e-7);
  // Each number is of size 1 at most and rounded to float32.
  EXPECT_NEAR(sum_of(x) / static_cast<double>(x.count()), .0009700921, 6e-8);
  const std::vector<Tensor> found = features_of(x);
  for (size_t tap = 0; tap < std::size(kKnown); ++tap) {
    const double norm = norm_of(found[tap]);
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(found[tap].values<float>()[i], kKnown[tap].first[i], 1e-5 * norm) << tap;
    // The logits' sum is a difference of numbers of the size of their norm.
    EXPECT_NEAR(sum_of(found[tap]), kKnown[tap].sum, 1e-4 * std::abs(kKnown[tap].sum)) << tap;
  }
  EXPECT_NEAR(norm_of(found[3]), 77.62661335, 1e-5 * 77.6);
  const Tensor bias = filled_tensor("fc.bias", {1008});
  for (size_t i = 0; i < 1008; ++i)
    EXPECT_NEAR(found[5].values<float>()[i], found[4].values<float>()[i] + bias.values<float>()[i], 1e-5);
}

TEST(Inception, A_pictures_features_depend_on_nothing_else) {
  const Image image = noise(42, 48, 64), other = noise(3, 90, 50);
  const Tensor a = pytorch_fid_input(image), b = pytorch_fid_input(other);
  Tensor both = Tensor::zeros(DType::F32, {2, 299, 299, 3});
  std::ranges::copy(a.values<float>(), both.mutable_values<float>().begin());
  std::ranges::copy(b.values<float>(), both.mutable_values<float>().begin() + a.count());
  const std::vector<Tensor> alone = features_of(a, 1), together = features_of(both, 2);
  EXPECT_TRUE(std::ranges::equal(alone[3].values<float>(), together[3].values<float>().first(2048)));
}

TEST(Inception, Other_networks_are_refused_by_tensor_and_shape) {
  const auto torchvision = std::make_shared<WeightSource>(WeightSource{"inception_v3_google.pth", [](const std::string& name, const Shape& shape) {
    return std::optional<Tensor>(Tensor::zeros(DType::F32, name == "fc.weight" ? Shape{1000, 2048} : shape));
  }});
  try {
    InceptionV3 network(Scope(torchvision, nullptr));
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "tensor fc.weight: want [1008, 2048] found [1000, 2048] in inception_v3_google.pth; the config and the weights are of different models");
  }
}

}  // namespace
}  // namespace nibble::models
