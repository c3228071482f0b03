// Test support: one case of tests/golden — config, inputs, outputs and named activations of a reference network — and the
// comparison of a planned graph with it.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "graph/plan.h"
#include "ops/basic.h"
#include "tensor/golden_test.h"

namespace nibble::models {

struct GoldenCase {
  explicit GoldenCase(const std::string& name)
      : folder(std::filesystem::path(NIBBLE_SOURCE_DIR) / "tests/golden" / name),
        json(read_json_file(folder / "case.json")),
        data(folder / "data.safetensors") {}

  const Json& config() const { return json["config"]; }
  Tensor input(const std::string& name) const { return data["in." + name]; }

  std::filesystem::path folder;
  Json json;
  GoldenFile data;
};

// NCHW -> NHWC and back, for float tensors of rank 4; other ranks stay.
inline Tensor moved_axes(const Tensor& x, bool to_nhwc) {
  if (x.shape().rank() != 4) return x;
  const Tensor from = x.to(DType::F32);
  const Shape s = x.shape();
  const Shape shape = to_nhwc ? Shape{s[0], s[2], s[3], s[1]} : Shape{s[0], s[3], s[1], s[2]};
  Tensor to = Tensor::zeros(DType::F32, shape);
  const int64_t a = to_nhwc ? s[1] : s[1] * s[2], b = to_nhwc ? s[2] * s[3] : s[3];  // [n, a, b] -> [n, b, a]
  for (int64_t n = 0; n < s[0]; ++n)
    for (int64_t i = 0; i < a; ++i)
      for (int64_t j = 0; j < b; ++j)
        to.mutable_values<float>()[static_cast<size_t>((n * b + j) * a + i)] =
            from.values<float>()[static_cast<size_t>((n * a + i) * b + j)];
  return to;
}

// |got - want| <= tolerance · rms(want) element by element, and the norms agree to `tolerance`; see tests/golden/record.py.
// `want` may be a sample of 256 of `got`'s elements.
inline void expect_close(const std::string& name, const Tensor& got_nhwc, const Tensor& want, double norm, double tolerance) {
  const Tensor got = moved_axes(got_nhwc, false).to(DType::F32);
  const int64_t count = got.count(), samples = want.count();
  ASSERT_TRUE(samples == count || samples == 256) << name << ": " << to_string(got.shape()) << " against " << samples;
  double sum = 0;
  for (const float v : got.values<float>()) sum += static_cast<double>(v) * static_cast<double>(v);
  if (norm < 0) {
    norm = 0;
    for (int64_t i = 0; i < samples; ++i) norm += std::pow(element(want, i), 2);
    norm = std::sqrt(norm);
  }
  const double limit = tolerance * norm / std::sqrt(static_cast<double>(count));
  EXPECT_LE(std::abs(std::sqrt(sum) - norm), tolerance * norm) << name;
  double worst = 0;
  int64_t at = 0;
  for (int64_t i = 0; i < samples; ++i) {
    const double error = std::abs(static_cast<double>(element(got, samples == count ? i : i * count / 256)) - static_cast<double>(element(want, i)));
    if (!(error <= worst)) worst = error, at = i;
  }
  EXPECT_LE(worst, limit) << name << ": worst at " << at << ": found "
                          << element(got, samples == count ? at : at * count / 256) << " want " << element(want, at)
                          << "; remake with tools/golden.py remake";
}

// Collects observed activations under the name of the reference's module.
struct Activations {
  std::map<std::string, Tensor> found;
  void attach(Plan& plan) {
    plan.observer = [this](const std::string& name, const TensorRef& value) {
      found[name] = Tensor::view(value.type.dtype, value.type.shape, value.data, nullptr).clone();
    };
  }
};

inline PlanOptions observed_plan() {
  PlanOptions options;
  options.observe = [](const Node& node) { return !node.name.empty() && node.op != nullptr; };
  return options;
}

// Compares every activation of the case; `alias` gives our label for a reference module where it differs.
inline void expect_activations(const GoldenCase& golden, const Activations& activations,
                               const std::function<std::string(const std::string&)>& alias) {
  ASSERT_FALSE(golden.json["activations"].empty());
  for (const Json& entry : golden.json["activations"]) {
    const std::string name = entry["name"];
    auto found = activations.found.find(name);
    if (found == activations.found.end()) found = activations.found.find(alias(name));
    ASSERT_NE(found, activations.found.end()) << "no activation " << name;
    expect_close(name, found->second, golden.data["act." + name],
                 static_cast<double>(element(golden.data["norm." + name], 0)), entry["tolerance"].get<double>());
  }
}

inline void expect_output(const GoldenCase& golden, const std::string& name, const Tensor& got) {
  expect_close(name, got, golden.data["out." + name], -1, golden.json["outputs"][name]["tolerance"].get<double>());
}

}  // namespace nibble::models
