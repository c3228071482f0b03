// Problems for the tests of attention, and their results in double.
#pragma once

#include <algorithm>
#include <memory>

#include "kernels/attention/table.h"
#include "kernels/simd/test_data.h"

namespace nibble::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

enum class Bias { None, Shared, PerRow, PerHead, Masking };

struct Case {
  int64_t lq, lk, d, heads = 1;
  Bias bias = Bias::None;
  bool causal = false;
  int64_t heads_per_kv = 1;
  float spread = 1.0f;  // deviation of q: larger makes the softmax peaked
};

constexpr Case kCases[] = {
    {1, 1, 1},
    {3, 5, 4},
    {7, 77, 40, 2},
    {13, 33, 64, 2, Bias::Shared},
    {20, 300, 80, 1, Bias::PerRow},
    {9, 700, 64, 2, Bias::PerHead, false, 1, 4.0f},
    {17, 129, 160, 1},
    {6, 40, 512, 1},
    {5, 19, 24, 1},
    {33, 520, 8, 2, Bias::Masking},
    {70, 70, 64, 2, Bias::None, true},
    {40, 600, 40, 1, Bias::PerRow, true},
    {50, 30, 16, 1, Bias::None, true},
    {11, 65, 32, 4, Bias::None, false, 2},
    {8, 256, 56, 1, Bias::None, false, 1, 30.0f},
    {4, 513, 13, 3, Bias::Masking, true},
    {150, 260, 72, 1},
};

// One fused [q | k | v] buffer for self attention would do; separate ones with odd strides test more.
struct Problem {
  Array q, k, v, bias, out;
  AttentionArgs args;

  Problem(DType dtype, const Case& c)
      : q(Array::normal(dtype, c.lq * (c.heads * c.d + 3), 0.0f, c.spread)),
        k(Array::normal(dtype, c.lk * (c.heads / c.heads_per_kv * c.d + 5))),
        v(Array::normal(dtype, c.lk * (c.heads / c.heads_per_kv * c.d + 1))),
        bias(Array::normal(DType::F32, c.heads * c.lq * c.lk, 0.0f, 2.0f)),
        out(dtype, c.lq * c.heads * c.d) {
    const int64_t kv = c.heads / c.heads_per_kv * c.d;
    args = {q.data(),      k.data(), v.data(), out.data(), c.heads * c.d + 3, kv + 5, kv + 1,
            c.heads * c.d, c.lq,     c.lk,     c.d};
    args.scale = 1.0f / std::sqrt(static_cast<float>(c.d));
    args.causal = c.causal;
    args.heads_per_kv = c.heads_per_kv;
    if (c.bias != Bias::None) args.bias = bias.floats();
    if (c.bias != Bias::Shared) args.bias_row_stride = c.lk;
    if (c.bias == Bias::PerHead || c.bias == Bias::Masking) args.bias_head_stride = c.lq * c.lk;
    if (c.bias == Bias::Masking)
      for (int64_t i = 0; i < bias.size(); ++i)
        if (i % 3 != 0 || i / c.lk == 2) bias.set(i, -kInfinity);
  }

  template <typename Call>
  void with_scratch(const AttentionKernel& kernel, Call call) const {
    std::vector<std::byte> space(kernel.scratch_bytes(args.lk, args.d) + 128, std::byte{0xff});
    void* scratch = space.data();
    size_t size = space.size();
    std::align(64, space.size() - 128, scratch, size);
    call(scratch);
    ASSERT_EQ(space.back(), std::byte{0xff}) << kernel.name << " wrote past its scratch";
  }

  void run(const AttentionKernel& kernel, int64_t head, int64_t begin, int64_t end) {
    with_scratch(kernel, [&](void* scratch) { kernel.run(args, head, begin, end, scratch); });
  }

  void run_all(const AttentionKernel& kernel) {
    for (int64_t head = 0; head < args.out_stride / args.d; ++head) run(kernel, head, 0, args.lq);
  }
};

// out[c] of one row, and the largest |v| that enters it.
std::vector<double> exact_row(const Problem& p, const Case& c, int64_t head, int64_t row) {
  const AttentionArgs& a = p.args;
  const int64_t kv = head / c.heads_per_kv * c.d;
  std::vector<double> score(static_cast<size_t>(c.lk), -kInfinity), out(static_cast<size_t>(c.d), 0.0);
  double largest = -kInfinity, sum = 0.0;
  for (int64_t j = 0; j < c.lk && (!c.causal || j <= row + c.lk - c.lq); ++j) {
    score[j] = 0.0;
    for (int64_t i = 0; i < c.d; ++i) score[j] += p.q[row * a.q_stride + head * c.d + i] * p.k[j * a.k_stride + kv + i];
    score[j] *= a.scale;
    if (a.bias) score[j] += p.bias[head * a.bias_head_stride + row * a.bias_row_stride + j];
    largest = std::max(largest, score[j]);
  }
  if (std::isinf(largest)) return out;
  for (double& s : score) sum += s = std::exp(s - largest);
  for (int64_t j = 0; j < c.lk; ++j)
    for (int64_t i = 0; i < c.d; ++i) out[i] += score[j] / sum * p.v[j * a.v_stride + kv + i];
  return out;
}

}  // namespace
}  // namespace nibble::kernels
