// GPTQ in its LDL form (Chee et al. 2023, "QuIP", section 3: the two are the same): with H = X^T X = U U^T, U upper triangular, input
// channel k is rounded after  w_k + sum_{i<k} (w_i - q_i) U[i, k] / U[k, k].  Channels come by falling diagonal of H.
#include <numeric>

#include "quant/factor.h"
#include "quant/rounding.h"

namespace nibble::quant {
namespace {

constexpr int64_t kBlock = 128;
constexpr float kDamping = 0.01f;

Matrix second_moments(Context& context, const Matrix& x) {
  const Matrix t = transposed(x);
  return product_nt(context, t, t);
}

std::vector<int64_t> by_falling_diagonal(const Matrix& h) {
  std::vector<int64_t> order(static_cast<size_t>(h.rows));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return h.row(a)[a] > h.row(b)[b]; });
  return order;
}

Matrix permuted(const Matrix& h, const std::vector<int64_t>& order) {
  Matrix out(h.rows, h.cols);
  for (int64_t i = 0; i < h.rows; ++i)
    for (int64_t j = 0; j < h.cols; ++j) out.row(i)[j] = h.row(order[static_cast<size_t>(i)])[order[static_cast<size_t>(j)]];
  return out;
}

// One tap: columns [tap · k, (tap + 1) · k) of the weight.
class Tap {
 public:
  Tap(Context& context, const Matrix& weight, const Grid& grid, Executed form, int64_t tap, const Matrix& inputs, QuantWeight& out)
      : context_(context), weight_(weight), grid_(grid), form_(form), tap_(tap), out_(out), k_(grid.shape.k), n_(grid.shape.n) {
    const Matrix h = second_moments(context, inputs);
    order_ = by_falling_diagonal(h);
    u_ = upper_factor(context, permuted(h, order_), kDamping);
    errors_ = Matrix(n_, k_);
  }

  void run() {
    for (int64_t begin = 0; begin < k_; begin += kBlock) {
      const int64_t end = std::min(begin + kBlock, k_);
      Matrix carried(n_, end - begin);  // sum over earlier blocks of errors · U, not yet divided by the diagonal
      if (begin > 0)
        add_product(context_, {carried.values.data(), n_, end - begin, end - begin}, {errors_.values.data(), n_, begin, k_},
                    {u_.values.data() + begin, begin, end - begin, k_}, false, 1);
      context_.threads.run(n_, 8, [&](int64_t first, int64_t last, int) {
        for (int64_t n = first; n < last; ++n) round_block(n, begin, end, carried.row(n));
      });
    }
  }

 private:
  void round_block(int64_t n, int64_t begin, int64_t end, float* carried) {
    float* errors = errors_.row(n);
    const float* w = weight_.row(n) + tap_ * k_;
    int8_t* codes = out_.codes.data() + n * weight_.cols + tap_ * k_;
    const float scale = grid_.scales[static_cast<size_t>(n)];
    for (int64_t j = begin; j < end; ++j) {
      const int64_t k = order_[static_cast<size_t>(j)];
      const float target = w[k] + carried[j - begin] / u_.row(j)[j];
      const int8_t code = nearest_code(target, step_of(grid_, n, tap_, k), grid_.shape.kind);
      codes[k] = code;
      errors[j] = w[k] - executed_value(code, ratio_of(grid_, n, tap_, k), scale, form_);
      const float* u = u_.row(j);
      for (int64_t i = j + 1; i < end; ++i) carried[i - begin] += errors[j] * u[i];
    }
  }

  Context& context_;
  const Matrix& weight_;
  const Grid& grid_;
  Executed form_;
  int64_t tap_;
  QuantWeight& out_;
  int64_t k_, n_;
  std::vector<int64_t> order_;
  Matrix u_, errors_;
};

Matrix columns_of_tap(const Matrix& inputs, int64_t tap, int64_t k) {
  Matrix out(inputs.rows, k);
  for (int64_t r = 0; r < inputs.rows; ++r) std::copy(inputs.row(r) + tap * k, inputs.row(r) + (tap + 1) * k, out.row(r));
  return out;
}

// Convolutions of few inputs: all taps as one matrix product, so that errors may also be made up for at other positions.
constexpr int64_t kJointColumns = 1152;

}  // namespace

QuantWeight round_with_gptq(Context& context, const Matrix& weight, const QuantShape& s, Executed form, const Matrix& inputs) {
  const Grid grid = make_grid(context, weight, s);
  QuantWeight out{s, std::vector<int8_t>(weight.values.size()), grid.scales, grid.ratios};
  if (s.taps > 1 && weight.cols <= kJointColumns && s.k % s.group == 0 && s.padded_k() == s.k) {
    // Seen as a linear layer of taps · k inputs the groups are the same.
    Grid joint{{s.n, 1, weight.cols, s.kind, s.group}, grid.scales, grid.ratios};
    Tap(context, weight, joint, form, 0, inputs, out).run();
    return out;
  }
  for (int64_t tap = 0; tap < s.taps; ++tap)
    Tap(context, weight, grid, form, tap, s.taps == 1 ? inputs : columns_of_tap(inputs, tap, s.k), out).run();
  return out;
}

}  // namespace nibble::quant
