// Attention from bytes: codes and dots of every kernel equal the oracle's bit by bit; the oracle's are within rounding
// of the formula in double; results lie within what the rounding of weights and sums allows.
#include "kernels/attention/attention_problem.h"

namespace nibble::kernels {
namespace {

const double kLog2e = std::log2(std::exp(1.0));

std::vector<const AttentionKernel*> int8_kernels() {
  std::vector<const AttentionKernel*> kernels = runnable(kAttentionKernels);
  std::erase_if(kernels, [](const AttentionKernel* k) { return k->form == AttentionForm::Float; });
  return kernels;
}

const AttentionKernel& oracle_of(const AttentionKernel& kernel) {
  return select_attention(CpuMask{}, kernel.dtype, kernel.form);
}

struct Scores {
  std::vector<int32_t> dots;
  std::vector<float> row_factors, key_scales;

  Scores(const Problem& p, const AttentionKernel& kernel, int64_t head, int64_t begin, int64_t end)
      : dots(static_cast<size_t>((end - begin) * p.args.lk)),
        row_factors(static_cast<size_t>(end - begin)),
        key_scales(static_cast<size_t>(p.args.lk)) {
    p.with_scratch(kernel, [&](void* scratch) {
      kernel.int8_scores(p.args, head, begin, end, dots.data(), row_factors.data(), key_scales.data(), scratch);
    });
  }
  bool operator==(const Scores&) const = default;
  double at(int64_t i, int64_t j) const {  // as the formula has it, less what all keys of a row share
    const double dot = dots[static_cast<size_t>(i) * key_scales.size() + static_cast<size_t>(j)];
    return dot * row_factors[static_cast<size_t>(i)] * key_scales[static_cast<size_t>(j)] / kLog2e;
  }
};

// One head in double: keys less their mean, the exact scores of a row and their weights, at most 1.
struct Head {
  const Problem& p;
  int64_t head, kv;
  std::vector<double> mean;

  Head(const Problem& problem, const Case& c, int64_t h)
      : p(problem), head(h), kv(h / c.heads_per_kv * c.d), mean(static_cast<size_t>(c.d), 0.0) {
    for (int64_t j = 0; j < c.lk; ++j)
      for (int64_t i = 0; i < c.d; ++i)
        mean[static_cast<size_t>(i)] += p.k[j * p.args.k_stride + kv + i] / static_cast<double>(c.lk);
  }
  double query(int64_t row, int64_t i) const { return p.q[row * p.args.q_stride + head * p.args.d + i]; }
  double key(int64_t j, int64_t i) const { return p.k[j * p.args.k_stride + kv + i] - mean[static_cast<size_t>(i)]; }
  double value(int64_t j, int64_t i) const { return p.v[j * p.args.v_stride + kv + i]; }
  double score(int64_t row, int64_t j) const {
    double dot = 0.0;
    for (int64_t i = 0; i < p.args.d; ++i) dot += query(row, i) * key(j, i);
    return dot * p.args.scale;
  }
  std::vector<double> weights(int64_t row) const {
    std::vector<double> w(static_cast<size_t>(p.args.lk), -kInfinity);
    for (int64_t j = 0; j < p.args.lk; ++j) {
      if (p.args.causal && j > row + p.args.lk - p.args.lq) continue;
      w[static_cast<size_t>(j)] = score(row, j);
      if (p.args.bias)
        w[static_cast<size_t>(j)] += p.bias[head * p.args.bias_head_stride + row * p.args.bias_row_stride + j];
    }
    const double largest = *std::max_element(w.begin(), w.end());
    for (double& x : w) x = std::isinf(x) ? 0.0 : std::exp(x - largest);
    return w;
  }
};

TEST(AttentionInt8, Dots_and_scales_equal_the_oracle) {
  for (const AttentionKernel* kernel : int8_kernels())
    for (const Case& c : kCases) {
      const Problem p(kernel->dtype, c);
      for (int64_t head = 0; head < c.heads; ++head) {
        const Scores want(p, oracle_of(*kernel), head, 0, c.lq), got(p, *kernel, head, 0, c.lq);
        ASSERT_TRUE(want == got) << kernel->name << " lq " << c.lq << " lk " << c.lk << " d " << c.d << " head "
                                 << head;
      }
    }
}

// A product of rounded factors: |q k - q' k'| <= |q| s_k / 2 + |k'| s_q / 2 with |k'| <= |k| + s_k / 2, summed.
TEST(AttentionInt8, Oracle_scores_are_within_rounding) {
  for (const Case& c : kCases) {
    const Problem p(DType::F32, c);
    for (int64_t head = 0; head < c.heads; ++head) {
      const Head exact(p, c, head);
      const Scores got(p, select_attention(CpuMask{}, DType::F32, AttentionForm::Int8Scores), head, 0, c.lq);
      for (int64_t row = 0; row < c.lq; ++row)
        for (int64_t j = 0; j < c.lk; ++j) {
          const double s_q = got.row_factors[static_cast<size_t>(row)] / (p.args.scale * kLog2e);
          const double s_k = got.key_scales[static_cast<size_t>(j)];
          double bound = 0.0, size = 0.0;
          for (int64_t i = 0; i < c.d; ++i) {
            const double q = std::fabs(exact.query(row, i)), k = std::fabs(exact.key(j, i));
            bound += q * s_k / 2 + (k + s_k / 2) * s_q / 2;
            size += q * k;
          }
          // The mean is a float sum of lk keys: 2^-24 sqrt(lk) |k| on each key.
          const double floats = 0x1p-24 * (16 + 4 * std::sqrt(static_cast<double>(c.lk))) * (size + bound);
          ASSERT_NEAR(got.at(row, j), exact.score(row, j), p.args.scale * (bound + floats))
              << "lk " << c.lk << " d " << c.d << " row " << row << " key " << j;
        }
    }
  }
}

// Scores that move by at most e change each softmax weight by a factor within exp(+-2 e). Weights in steps, each off by
// at most half a step, move the mean of independent values by a sum of random signs: six deviations of it.
TEST(AttentionInt8, Oracle_is_within_rounding_of_the_formula) {
  for (const AttentionForm form : {AttentionForm::Int8Scores, AttentionForm::Int8})
    for (const Case& c : kCases) {
      const AttentionKernel& oracle = select_attention(CpuMask{}, DType::F32, form);
      Problem p(DType::F32, c);
      p.run_all(oracle);
      const double step = form == AttentionForm::Int8 ? 1.0 / 255 : 0.0;
      for (int64_t head = 0; head < c.heads; ++head) {
        const Head exact(p, c, head);
        const Scores scores(p, oracle, head, 0, c.lq);
        for (int64_t row = 0; row < c.lq; ++row) {
          const std::vector<double> want = exact_row(p, c, head, row), weights = exact.weights(row);
          double moved = 0.0, sum = 0.0;
          for (int64_t j = 0; j < c.lk; ++j)
            moved = std::max(moved, std::fabs(scores.at(row, j) - exact.score(row, j)));
          for (const double w : weights) sum += w;
          for (int64_t i = 0; i < c.d; ++i) {
            double spread = 0.0, square = 0.0, most = 0.0;
            for (int64_t j = 0; j < c.lk; ++j) {
              const double off = exact.value(j, i) - want[static_cast<size_t>(i)], w = weights[static_cast<size_t>(j)];
              spread += w / std::max(sum, 1.0) * std::fabs(off);
              if (w > 0) square += off * off;
              most = std::max(most, std::fabs(exact.value(j, i)));
            }
            const double values = step > 0 ? most / 254 : 0.0;
            const double grown = std::expm1(2 * moved);
            const double bound =
                grown * spread + (1 + grown) * 6 * step / 2 * std::sqrt(square) / std::max(sum, 1.0) + values;
            ASSERT_NEAR(p.out[(row * c.heads + head) * c.d + i], want[static_cast<size_t>(i)], bound + 64 * 0x1p-24)
                << oracle.name << " lk " << c.lk << " d " << c.d << " row " << row;
          }
        }
      }
    }
}

// Against the oracle of the same form; the errors as in the test of the float kernels. Weights of a kernel are in steps
// of the largest score so far, the oracle's in steps of the row's: both are off by at most half a step.
TEST(AttentionInt8, Kernels_match_the_oracle) {
  for (const AttentionKernel* kernel : int8_kernels())
    for (const Case& c : kCases) {
      Problem p(kernel->dtype, c);
      p.run_all(oracle_of(*kernel));
      const Array want = p.out;
      p.run_all(*kernel);
      const double in_exponent = 0x1p-24 * (2 * std::sqrt(static_cast<double>(c.d)) + 8) * 4 * c.spread;
      const double weight_rounding = kernel->isa == Isa::Avx512Bf16 ? 2 * 0x1p-9 : 0.0;
      const double steps =
          kernel->form != AttentionForm::Int8 ? 0.0 : 0.5 / 255 + (kernel->isa == Isa::DotProd ? 0.5 / 127 : 0.5 / 255);
      for (int64_t head = 0; head < c.heads; ++head) {
        const Head exact(p, c, head);
        for (int64_t row = 0; row < c.lq; ++row) {
          const std::vector<double> weights = exact.weights(row);
          double sum = 0.0;
          for (const double w : weights) sum += w;
          for (int64_t i = 0; i < c.d; ++i) {
            const int64_t at = (row * c.heads + head) * c.d + i;
            double square = 0.0;
            for (int64_t j = 0; j < c.lk; ++j)
              if (weights[static_cast<size_t>(j)] > 0)
                square += (exact.value(j, i) - want[at]) * (exact.value(j, i) - want[at]);
            ASSERT_NEAR(p.out[at], want[at],
                        2 * storage_epsilon(kernel->dtype) * std::fabs(want[at]) +
                            5 * (in_exponent + weight_rounding + 16 * 0x1p-24) +
                            6 * steps * std::sqrt(square) / std::max(sum, 1.0))
                << kernel->name << " lq " << c.lq << " lk " << c.lk << " d " << c.d << " row " << row << " head "
                << head;
          }
        }
      }
      ASSERT_TRUE(p.out.guards_whole()) << kernel->name;
    }
}

// What all keys share costs no precision, and a value that all tokens share comes out as it is, whatever the weights'
// steps.
TEST(AttentionInt8, Shared_parts_of_keys_and_values_stay) {
  const Case c{20, 300, 40, 1};
  for (const AttentionKernel* kernel : int8_kernels()) {
    Problem p(kernel->dtype, c);
    for (int64_t i = 0; i < p.v.size(); ++i) p.v.set(i, 3.0f);
    for (int64_t i = 0; i < p.k.size(); ++i) p.k.set(i, static_cast<float>(p.k[i]) + 64.0f);
    const Scores scores(p, *kernel, 0, 0, c.lq);
    // Of 300 · 40 normal numbers, about a mean of nearly 0, the largest stays below 6; 64 would make scales of 1 / 2.
    for (const float scale : scores.key_scales) ASSERT_LT(scale, 6.0f / 127) << kernel->name;
    p.run_all(*kernel);
    for (int64_t i = 0; i < p.out.size(); ++i)
      ASSERT_NEAR(p.out[i], 3.0, 3 * (storage_epsilon(kernel->dtype) + 64 * 0x1p-24)) << kernel->name;
  }
}

}  // namespace
}  // namespace nibble::kernels
