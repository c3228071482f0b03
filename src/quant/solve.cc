// The steps of a method put together, for layers that share an input.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/error.h"
#include "quant/rounding.h"
#include "tensor/dtype.h"

namespace nibble::quant {
namespace {

constexpr Method kMethods[] = {
    {"rtn", "round to nearest", false, false, false},
    {"gptq", "rounding errors made up for by later channels", false, false, true},
    {"smooth", "input outliers moved into the weights, then rounded to nearest", true, false, false},
    {"svdquant", "smoothing and a low-rank branch in 16 bits, the rest rounded to nearest", true, true, false},
    {"svdquant+gptq", "the same, the rest rounded by gptq", true, true, true},
};

constexpr int64_t kSearchRows = 128, kSearchOutputs = 128, kBranchRows = 256;
constexpr int64_t kFitRows = 64;  // fewer say too little about a channel's mean and slope
constexpr int64_t kCompared = 512;  // rows: the mean of a channel's error is known to 1/sqrt(512) of its deviation
constexpr int kRounds = 4;

Executed form_of(const LayerProblem& p) {
  return p.shape.kind == WeightKind::Int4 && p.activation == ActivationKind::Int8 ? Executed::Panel : Executed::Exact;
}

double squares(const Matrix& m) {
  double sum = 0;
  for (const float v : m.values) sum += static_cast<double>(v) * v;
  return sum;
}

// Every step-th row, at most `count`.
Matrix some_rows(const Matrix& m, int64_t count) {
  const int64_t step = std::max<int64_t>(1, (m.rows + count - 1) / count);
  Matrix out((m.rows + step - 1) / step, m.cols);
  for (int64_t r = 0; r < out.rows; ++r) std::copy(m.row(r * step), m.row(r * step) + m.cols, out.row(r));
  return out;
}

Inputs some_inputs(const Inputs& in, int64_t count) {
  const int64_t step = std::max<int64_t>(1, (in.rows.rows + count - 1) / count);
  Inputs out{some_rows(in.rows, count), {}, in.channel_max, in.one_scale_per_image};
  for (int64_t r = 0; r < in.rows.rows; r += step) out.image.push_back(in.image[static_cast<size_t>(r)]);
  return out;
}

Matrix scaled_columns(Context& context, Matrix w, const std::vector<float>& s) {
  const int64_t k = static_cast<int64_t>(s.size());
  if (k == 0) return w;
  each_row(context, w.rows, [&](int64_t n) {
    for (int64_t first = 0; first < w.cols; first += k)
      for (int64_t i = 0; i < k; ++i) w.row(n)[first + i] *= s[static_cast<size_t>(i)];
  });
  return w;
}

std::vector<float> reciprocals(const std::vector<float>& s) {
  std::vector<float> out;
  for (const float v : s) out.push_back(1.0f / v);
  return out;
}

// What the shift of the input adds to each output: subtracted again through the bias.
std::vector<float> shift_outputs(const Matrix& executed, float shift, const std::vector<float>& input_scale, int64_t k) {
  std::vector<float> out(static_cast<size_t>(executed.rows), 0.0f);
  if (shift == 0) return out;
  for (int64_t n = 0; n < executed.rows; ++n) {
    double sum = 0;
    for (int64_t i = 0; i < executed.cols; ++i)
      sum += static_cast<double>(executed.row(n)[i]) * shift * (input_scale.empty() ? 1.0f : input_scale[static_cast<size_t>(i % k)]);
    out[static_cast<size_t>(n)] = static_cast<float>(sum);
  }
  return out;
}

// Squared output error of rounding a sample of a layer's outputs to nearest under one smoothing vector.
double smoothing_error(Context& context, const LayerProblem& p, const Inputs& sample, const Matrix& some_weights, const Matrix& want,
                       const std::vector<float>& s) {
  const std::vector<float> input_scale = reciprocals(s);
  const Matrix x = simulate_activations(context, sample, p.shape, p.activation, p.shift, input_scale);
  QuantShape shape = p.shape;
  shape.n = some_weights.rows;
  const Matrix w = executed_matrix(context, round_to_nearest(context, scaled_columns(context, some_weights, s), shape), form_of(p));
  const std::vector<float> extra = shift_outputs(w, p.shift, input_scale, p.shape.k);
  const Matrix got = product_nt(context, x, w);
  double error = 0;
  for (int64_t r = 0; r < want.rows; ++r)
    for (int64_t n = 0; n < want.cols; ++n) {
      const double d = want.row(r)[n] - (got.row(r)[n] - extra[static_cast<size_t>(n)]);
      error += d * d;
    }
  return error;
}

// s of the best candidate for all layers together, or nothing when no smoothing is best.
std::vector<float> find_smoothing(Context& context, const std::vector<LayerProblem>& layers) {
  const LayerProblem& first = layers[0];
  const int64_t k = first.shape.k;
  std::vector<float> a(static_cast<size_t>(k), 0.0f), b(static_cast<size_t>(k), 0.0f);
  for (int64_t i = 0; i < first.inputs->channel_max.rows; ++i)
    for (int64_t c = 0; c < k; ++c) a[static_cast<size_t>(c)] = std::max(a[static_cast<size_t>(c)], first.inputs->channel_max.row(i)[c] + first.shift);
  for (const LayerProblem& p : layers)
    for (int64_t n = 0; n < p.weight.rows; ++n)
      for (int64_t i = 0; i < p.weight.cols; ++i)
        b[static_cast<size_t>(i % k)] = std::max(b[static_cast<size_t>(i % k)], std::abs(p.weight.row(n)[i]));
  const Inputs sample = some_inputs(*first.inputs, kSearchRows);
  std::vector<Matrix> weights, wanted;
  for (const LayerProblem& p : layers) {
    weights.push_back(some_rows(p.weight, kSearchOutputs));
    wanted.push_back(product_nt(context, sample.rows, weights.back()));
  }
  std::vector<float> best;
  double least = 0;
  bool is_first = true;
  for (const SmoothingCandidate& c : smoothing_candidates()) {
    const std::vector<float> s = smoothing_vector(c, a, b);
    double error = 0;
    for (size_t i = 0; i < layers.size(); ++i) error += smoothing_error(context, layers[i], sample, weights[i], wanted[i], s);
    if (!is_first && error > least) continue;  // ties go to the later candidate
    least = error, best = s, is_first = false;
  }
  const bool plain = std::all_of(best.begin(), best.end(), [](float v) { return v == 1.0f; });
  return plain ? std::vector<float>() : best;
}

void round_to_bf16(Matrix& m) {
  for (float& v : m.values) v = to_float(to_bf16(v));
}

// The branches of layers that share an input: their weights one under the other, so that all have the same `down`.
std::vector<Branch> find_branches(Context& context, const std::vector<LayerProblem>& layers,
                                  const std::vector<Matrix>& smoothed, const Matrix& x, uint64_t seed) {
  const LayerProblem& first = layers[0];
  QuantShape shape = first.shape;
  shape.n = 0;
  for (const LayerProblem& p : layers) shape.n += p.shape.n;
  Matrix stacked(shape.n, smoothed[0].cols);
  auto to = stacked.values.begin();
  for (const Matrix& m : smoothed) to = std::copy(m.values.begin(), m.values.end(), to);
  const Branch whole =
      find_branch(context, stacked, shape, form_of(first), some_rows(x, kBranchRows), first.rank, kRounds, seed);
  std::vector<Branch> out;
  const float* up = whole.up.values.data();
  for (const LayerProblem& p : layers) {
    Branch part{Matrix(p.shape.n, whole.up.cols), whole.down, {}};
    std::copy_n(up, part.up.values.size(), part.up.values.data());
    up += part.up.values.size();
    out.push_back(std::move(part));
  }
  return out;
}

// W' - up · down, with the branch in the values that will be stored.
Matrix take_branch(Context& context, Branch branch, const Matrix& smoothed, LayerSolution& out) {
  out.up = std::move(branch.up);
  out.down = scaled_columns(context, std::move(branch.down), out.input_scale);  // against the raw input
  round_to_bf16(out.up);
  round_to_bf16(out.down);
  Matrix stored = product_nn(context, out.up, out.down);
  if (!out.input_scale.empty()) stored = scaled_columns(context, std::move(stored), reciprocals(out.input_scale));
  return minus(context, smoothed, stored);
}

// Whether mean errors go into the bias: where there is one, or must be for the input's shift.
bool moves_means(const LayerProblem& p, const LayerSolution& s) { return p.has_bias || s.shift > 0; }

// One output channel: want ≈ slope · got + mean. By least squares where the method corrects outputs, the new scale a bf16 again,
// else only the shift's part of `got` is taken back.
struct Fit {
  double slope = 1, mean = 0, error = 0;
};

Fit fit_channel(const Matrix& want, const Matrix& got, int64_t n, bool corrects, bool has_bias, float shift_part, float scale) {
  const double rows = static_cast<double>(want.rows);
  double w = 0, g = 0, ww = 0, gg = 0, wg = 0;
  for (int64_t r = 0; r < want.rows; ++r) w += want.row(r)[n], g += got.row(r)[n];
  const double want_mean = corrects && has_bias ? w / rows : 0, got_mean = corrects && has_bias ? g / rows : shift_part;
  for (int64_t r = 0; r < want.rows; ++r) {
    const double a = want.row(r)[n] - want_mean, b = got.row(r)[n] - got_mean;
    ww += a * a, gg += b * b, wg += a * b;
  }
  Fit f;
  if (corrects && gg > 0 && scale > 0)
    f.slope = static_cast<double>(to_float(to_bf16(scale * static_cast<float>(std::clamp(wg / gg, 0.5, 2.0))))) / scale;
  f.mean = want_mean - f.slope * got_mean;
  f.error = std::max(0.0, ww - 2 * f.slope * wg + f.slope * f.slope * gg);
  return f;
}

// Compares outputs, fits the scales and the bias to what is left and records the rest.
void finish(Context& context, const Method& method, const LayerProblem& p, const Matrix& x, LayerSolution& out) {
  const Matrix raw = some_rows(p.inputs->rows, kCompared);
  Matrix want = product_nt(context, raw, p.weight);
  const double whole = squares(want);
  if (!out.up.empty()) want = minus(context, want, product_nt(context, product_nt(context, raw, out.down), out.up));
  const Matrix executed = executed_matrix(context, out.weight, form_of(p));
  const Matrix got = product_nt(context, some_rows(x, kCompared), executed);
  const bool corrects = (method.smoothing || method.gptq) && want.rows >= kFitRows;
  if ((corrects && p.has_bias) || out.shift > 0) out.bias_change.assign(static_cast<size_t>(p.shape.n), 0.0f);
  const std::vector<float> extra = shift_outputs(executed, out.shift, out.input_scale, p.shape.k);
  std::vector<double> errors(static_cast<size_t>(p.shape.n));
  each_row(context, p.shape.n, [&](int64_t n) {
    float& scale = out.weight.scales[static_cast<size_t>(n)];
    const Fit f = fit_channel(want, got, n, corrects, moves_means(p, out), extra[static_cast<size_t>(n)], scale);
    scale *= static_cast<float>(f.slope);
    if (!out.bias_change.empty()) out.bias_change[static_cast<size_t>(n)] = static_cast<float>(f.mean);
    errors[static_cast<size_t>(n)] = f.error;
  });
  const double error = std::accumulate(errors.begin(), errors.end(), 0.0);
  out.error = whole > 0 ? error / whole : 0;
}

LayerSolution round_unobserved(Context& context, const LayerProblem& p) {
  LayerSolution out;
  out.weight = round_to_nearest(context, p.weight, p.shape);
  const Matrix difference = minus(context, executed_matrix(context, out.weight, form_of(p)), p.weight);
  const double whole = squares(p.weight);
  out.error = whole > 0 ? squares(difference) / whole : 0;
  return out;
}

std::vector<LayerSolution> solve_observed(Context& context, const Method& method,
                                          const std::vector<LayerProblem>& layers, uint64_t seed) {
  const LayerProblem& first = layers[0];
  const std::vector<float> s = method.smoothing ? find_smoothing(context, layers) : std::vector<float>();
  const std::vector<float> input_scale = reciprocals(s);
  const float shift = first.activation == ActivationKind::Int4 ? first.shift : 0;
  const Matrix x = simulate_activations(context, *first.inputs, first.shape, first.activation, shift, input_scale);
  std::vector<Matrix> rest;
  for (const LayerProblem& p : layers) rest.push_back(scaled_columns(context, p.weight, s));
  const bool branched = method.low_rank && first.rank > 0;
  std::vector<Branch> branches =
      branched ? find_branches(context, layers, rest, x, seed) : std::vector<Branch>(layers.size());
  std::vector<LayerSolution> out(layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerProblem& p = layers[i];
    out[i].input_scale = input_scale, out[i].shift = shift;
    if (branched) rest[i] = take_branch(context, std::move(branches[i]), rest[i], out[i]);
    const bool gptq = method.gptq && p.shape.kind == WeightKind::Int4;
    out[i].weight = gptq ? round_with_gptq(context, rest[i], p.shape, form_of(p), x, moves_means(p, out[i]))
                         : round_to_nearest(context, rest[i], p.shape);
    finish(context, method, p, x, out[i]);
  }
  return out;
}

}  // namespace

const Method& method_from_name(const std::string& name) {
  std::string known;
  for (const Method& m : kMethods) {
    if (name == m.name) return m;
    known += std::string(known.empty() ? "" : ", ") + m.name;
  }
  fail(ErrorCode::InvalidArgument, "method '{}': want one of {}", name, known);
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const Method& m : kMethods) names.emplace_back(m.name);
  return names;
}

std::vector<LayerSolution> solve(Context& context, const Method& method, const std::vector<LayerProblem>& layers, uint64_t seed) {
  if (layers.empty()) return {};
  const LayerProblem& first = layers[0];
  for (const LayerProblem& p : layers)
    NIBBLE_CHECK(p.inputs == first.inputs && p.rank == first.rank && p.shape.k == first.shape.k &&
                     p.shape.taps == first.shape.taps && p.shape.kind == first.shape.kind &&
                     p.shape.group == first.shape.group && p.activation == first.activation && p.shift == first.shift,
                 "{} is solved with {}", p.name, first.name);
  if (first.inputs != nullptr && first.inputs->rows.rows > 0) return solve_observed(context, method, layers, seed);
  std::vector<LayerSolution> out;
  for (const LayerProblem& p : layers) out.push_back(round_unobserved(context, p));
  return out;
}

}  // namespace nibble::quant
