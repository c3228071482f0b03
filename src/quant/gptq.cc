// GPTQ in its LDL form (Chee et al. 2023, "QuIP", section 3: the two are the same): with H = X^T X = U U^T, U upper triangular, input
// channel k is rounded after  w_k + sum_{i<k} (w_i - q_i) U[i, k] / U[k, k].  Channels come by falling diagonal of H. The squared
// output error e^T H e is then the sum of the squares of U[k, k] times what was rounded off. Beyond the paper: X is centred, since the
// bias takes up mean errors; chance correlations are shrunk; each output channel keeps the best of some smaller group scales; and single codes are changed
// afterwards while that lowers e^T H e.
#include <limits>
#include <numeric>

#include "quant/factor.h"
#include "quant/rounding.h"

namespace nibble::quant {
namespace {

constexpr int64_t kColumns = 128;
constexpr float kDamping = 0.01f;
constexpr float kShrinks[] = {1.0f, 0.93f, 0.86f, 0.79f};
constexpr int kSweeps = 4;
constexpr int64_t kTogether = 8;  // rows, and channels whose errors are handed on in one go

Matrix transposed_columns(Context& context, const Matrix& x, int64_t begin, int64_t count, bool centred) {
  Matrix t(count, x.rows);
  each_row(context, count, [&](int64_t c) {
    double sum = 0;
    for (int64_t r = 0; r < x.rows; ++r) sum += t.row(c)[r] = x.row(r)[begin + c];
    if (!centred) return;
    const float mean = static_cast<float>(sum / static_cast<double>(std::max<int64_t>(1, x.rows)));
    for (int64_t r = 0; r < x.rows; ++r) t.row(c)[r] -= mean;
  });
  return t;
}

// Correlations of few rows are partly chance. They are made smaller by the share that chance explains, to the diagonal
// (Schäfer and Strimmer 2005, target D), the variance of a product moment being that of normal inputs.
void shrink_correlations(Matrix& h, int64_t rows) {
  double trace = 0, diagonal = 0, all = 0;
  for (int64_t i = 0; i < h.rows; ++i) {
    const double d = h.row(i)[i];
    trace += d, diagonal += d * d;
    for (int64_t j = 0; j < h.cols; ++j) all += static_cast<double>(h.row(i)[j]) * h.row(i)[j];
  }
  const double off = all - diagonal;
  if (off <= 0) return;
  const double chance = std::min(1.0, (1 + (trace * trace - diagonal) / off) / static_cast<double>(rows));
  for (int64_t i = 0; i < h.rows; ++i)
    for (int64_t j = 0; j < h.cols; ++j)
      if (i != j) h.row(i)[j] *= static_cast<float>(1 - chance);
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

// Some columns [first, first + k) of the weight that share a matrix of second moments: one tap, or all of them.
class Columns {
 public:
  Columns(Context& context, const Matrix& weight, const Grid& grid, Executed form, int64_t first, int64_t k, const Matrix& inputs,
          bool centred)
      : context_(context), weight_(weight), grid_(grid), form_(form), first_(first), k_(k), n_(weight.rows), ordered_(n_, k_) {
    const Matrix t = transposed_columns(context, inputs, first, k, centred);
    h_ = gram(context, t);
    shrink_correlations(h_, inputs.rows);
    order_ = by_falling_diagonal(h_);
    for (const int64_t channel : order_) group_of_.push_back(channel / group());
    u_ = upper_factor(context, permuted(h_, order_), kDamping);
    each_row(context, n_, [&](int64_t n) {
      for (int64_t j = 0; j < k_; ++j) ordered_.row(n)[j] = weight.row(n)[first + order_[static_cast<size_t>(j)]];
    });
    for (int64_t i = 0; i < k_; ++i) mean_ += h_.row(i)[i];
    mean_ /= static_cast<double>(k_);
    for (int64_t i = 0; i < k_; ++i) h_.row(i)[i] += static_cast<float>(kDamping * mean_);
  }

  void run(QuantWeight& out) {
    std::vector<double> best(static_cast<size_t>(n_), std::numeric_limits<double>::infinity());
    const bool four = grid_.shape.kind == WeightKind::Int4;
    for (const float shrink : kShrinks) {
      if (shrink != 1 && !four) break;
      const Trial trial = round(shrink);
      each_row(context_, n_, [&](int64_t n) {
        if (!(trial.error[static_cast<size_t>(n)] < best[static_cast<size_t>(n)])) return;
        best[static_cast<size_t>(n)] = trial.error[static_cast<size_t>(n)];
        keep(trial, n, out);
      });
    }
    sweep(out);
  }

 private:
  struct Trial {
    std::vector<int8_t> codes;    // [n, k] in the order of rounding
    std::vector<int16_t> ratios;  // [n, groups of these columns]
    std::vector<double> error;    // [n]
  };

  using Eight = float[kTogether];

  int64_t group() const { return grid_.shape.kind == WeightKind::Int4 ? grid_.shape.group : grid_.shape.k; }
  // Groups of these columns; where the last group of a tap is short, a tap is taken alone.
  int64_t groups() const { return (k_ + group() - 1) / group(); }
  size_t first_ratio(int64_t n) const {
    const QuantShape& s = grid_.shape;
    return static_cast<size_t>(n * s.taps * s.groups() + first_ / s.k * s.groups());
  }

  Trial round(float shrink) {
    Trial t{std::vector<int8_t>(static_cast<size_t>(n_ * k_)), std::vector<int16_t>(static_cast<size_t>(n_ * groups()), kRatioOne),
            std::vector<double>(static_cast<size_t>(n_), 0.0)};
    if (grid_.shape.kind == WeightKind::Int4)
      for (int64_t n = 0; n < n_; ++n)
        for (int64_t g = 0; g < groups(); ++g)
          t.ratios[static_cast<size_t>(n * groups() + g)] =
              static_cast<int16_t>(std::lround(shrink * static_cast<float>(grid_.ratios[first_ratio(n) + static_cast<size_t>(g)])));
    Matrix errors(n_, k_);
    for (int64_t begin = 0; begin < k_; begin += kColumns) {
      const int64_t end = std::min(begin + kColumns, k_);
      Matrix carried(n_, end - begin);  // sum over earlier blocks of errors · U, not yet divided by the diagonal
      if (begin > 0)
        add_product(context_, {carried.values.data(), n_, end - begin, end - begin}, {errors.values.data(), n_, begin, k_},
                    {u_.values.data() + begin, begin, end - begin, k_}, false, 1);
      context_.threads.run(n_, kTogether, [&](int64_t first, int64_t last, int) {
        for (int64_t n = first; n < last; n += kTogether) round_block(n, std::min(n + kTogether, last), begin, end, carried, errors, t);
      });
    }
    return t;
  }

  // At most kTogether rows side by side: each waits for its own channels before, not for the others.
  void round_block(int64_t first, int64_t last, int64_t begin, int64_t end, Matrix& carried, Matrix& errors, Trial& t) const {
    Eight left[kTogether] = {};  // by channel and row
    for (int64_t j = begin; j < end; j += kTogether) {
      const int64_t next = std::min(j + kTogether, end);
      for (int64_t i = j; i < next; ++i) {
        Eight sum = {};
        for (int64_t n = first; n < last; ++n) sum[n - first] = carried.row(n)[i - begin];
        for (int64_t before = j; before < i; ++before)
          for (int64_t l = 0; l < kTogether; ++l) sum[l] += left[before - j][l] * u_.row(before)[i];
        round_channel(first, last, i, sum, left[i - j], t);
      }
      for (int64_t n = first; n < last; ++n)
        for (int64_t i = j; i < next; ++i) errors.row(n)[i] = left[i - j][n - first];
      if (next == end) break;
      for (int64_t n = first; n < last; ++n) hand_on(errors.row(n) + j, u_.row(j) + next, end - next, carried.row(n) + next - begin);
    }
  }

  // to[i] += sum over kTogether channels of error · U
  void hand_on(const float* error, const float* u, int64_t count, float* to) const {
    for (int64_t i = 0; i < count; ++i) {
      float sum = to[i];
      for (int64_t j = 0; j < kTogether; ++j) sum += error[j] * u[j * k_ + i];
      to[i] = sum;
    }
  }

  // The j-th channel of these rows, moved by what was carried to it (not yet divided by the diagonal): what is left of the weights.
  void round_channel(int64_t first, int64_t last, int64_t j, const Eight& carried, Eight& left, Trial& t) const {
    const float diagonal = u_.row(j)[j];
    Eight w = {}, target, scale = {}, value;
    int32_t ratio[kTogether] = {}, code[kTogether];
    for (int64_t n = first; n < last; ++n) {
      w[n - first] = ordered_.row(n)[j], scale[n - first] = grid_.scales[static_cast<size_t>(n)];
      ratio[n - first] = t.ratios[static_cast<size_t>(n * groups() + group_of_[static_cast<size_t>(j)])];
    }
    for (int64_t l = 0; l < kTogether; ++l) target[l] = w[l] + carried[l] / diagonal;
    for (int64_t l = 0; l < kTogether; ++l)
      code[l] = nearest_code(target[l], static_cast<float>(ratio[l]) * (1.0f / kRatioOne) * scale[l], grid_.shape.kind);
    if (form_ == Executed::Panel)
      for (int64_t l = 0; l < kTogether; ++l) value[l] = executed_value(code[l], ratio[l], scale[l], Executed::Panel);
    else
      for (int64_t l = 0; l < kTogether; ++l) value[l] = executed_value(code[l], ratio[l], scale[l], Executed::Exact);
    for (int64_t l = 0; l < kTogether; ++l) left[l] = w[l] - value[l];
    for (int64_t n = first; n < last; ++n) {
      t.codes[static_cast<size_t>(n * k_ + j)] = static_cast<int8_t>(code[n - first]);
      t.error[static_cast<size_t>(n)] += std::pow(static_cast<double>(diagonal) * (target[n - first] - value[n - first]), 2);
    }
  }

  void keep(const Trial& t, int64_t n, QuantWeight& out) const {
    for (int64_t j = 0; j < k_; ++j) code(out, n, order_[static_cast<size_t>(j)]) = t.codes[static_cast<size_t>(n * k_ + j)];
    if (grid_.shape.kind == WeightKind::Int4)
      std::copy_n(t.ratios.data() + n * groups(), groups(), out.ratios.data() + first_ratio(n));
  }

  // Code by code: e_k' = e_k - g_k / H_kk is best for the others as they are, g = H e.
  void sweep(QuantWeight& out) const {
    Matrix errors(n_, k_);
    each_row(context_, n_, [&](int64_t n) {
      for (int64_t k = 0; k < k_; ++k) errors.row(n)[k] = weight_.row(n)[first_ + k] - value(out, n, k, code(out, n, k));
    });
    Matrix gradient = product_nn(context_, errors, h_);
    context_.threads.run(n_, 4, [&](int64_t first, int64_t last, int) {
      for (int64_t n = first; n < last; ++n)
        for (int i = 0; i < kSweeps; ++i)
          if (!sweep_row(n, errors.row(n), gradient.row(n), out)) break;
    });
  }

  bool sweep_row(int64_t n, float* errors, float* gradient, QuantWeight& out) const {
    bool changed = false;
    for (int64_t k = 0; k < k_; ++k) {
      int8_t& now = code(out, n, k);
      const float* h = h_.row(k);
      const float held = value(out, n, k, now), step = held_step(out, n, k);
      const int8_t better = nearest_code(held + gradient[k] / h[k], step, grid_.shape.kind);
      if (better == now) continue;
      const float change = value(out, n, k, better) - held;
      if (change * (change * h[k] - 2 * gradient[k]) >= 0) continue;
      now = better, changed = true;
      errors[k] -= change;
      for (int64_t i = 0; i < k_; ++i) gradient[i] -= change * h[i];
    }
    return changed;
  }

  int8_t& code(QuantWeight& out, int64_t n, int64_t k) const { return out.codes[static_cast<size_t>(n * weight_.cols + first_ + k)]; }
  int ratio(const QuantWeight& out, int64_t n, int64_t k) const {
    return grid_.shape.kind == WeightKind::Int4 ? out.ratios[first_ratio(n) + static_cast<size_t>(k / group())] : kRatioOne;
  }
  float held_step(const QuantWeight& out, int64_t n, int64_t k) const {
    return static_cast<float>(ratio(out, n, k)) * (1.0f / kRatioOne) * out.scales[static_cast<size_t>(n)];
  }
  float value(const QuantWeight& out, int64_t n, int64_t k, int code) const {
    return executed_value(code, ratio(out, n, k), out.scales[static_cast<size_t>(n)], form_);
  }

  Context& context_;
  const Matrix& weight_;
  const Grid& grid_;
  Executed form_;
  int64_t first_, k_, n_;
  Matrix ordered_;  // these columns of the weight in the order of rounding
  Matrix h_, u_;
  double mean_ = 0;
  std::vector<int64_t> order_, group_of_;  // channels by their turn, and the group of each
};

// Convolutions of few inputs: all taps as one matrix product, so that errors may also be made up for at other positions.
constexpr int64_t kJointColumns = 1152;

}  // namespace

QuantWeight round_with_gptq(Context& context, const Matrix& weight, const QuantShape& s, Executed form, const Matrix& inputs, bool centred) {
  const Grid grid = make_grid(context, weight, s);
  QuantWeight out{s, std::vector<int8_t>(weight.values.size()), grid.scales, grid.ratios};
  const bool joint = s.taps > 1 && weight.cols <= kJointColumns && s.k % s.group == 0 && s.padded_k() == s.k;
  const int64_t k = joint ? weight.cols : s.k;
  for (int64_t first = 0; first < weight.cols; first += k) Columns(context, weight, grid, form, first, k, inputs, centred).run(out);
  return out;
}

}  // namespace nibble::quant
