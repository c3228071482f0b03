// Post-training quantization of one layer: observe (sampled inputs), solve (a method), report (the error of its outputs). Methods
// know matrices only, no model. Every method is a row of the table: which of the steps it takes.
//
//   smoothing   W · diag(1 / input_scale), x · input_scale: outliers of the input move into the weight (SVDQuant 1.1)
//   low rank    W' = up · down + R, alternated with the rounding of R, the best kept (SVDQuant 1.2)
//   gptq        rounding errors of one input channel are made up for by the later ones (Frantar et al. 2022)
#pragma once

#include <string>
#include <vector>

#include "base/context.h"
#include "quant/matrix.h"
#include "tensor/quant_format.h"

namespace nibble::quant {

struct Method {
  const char* name;
  const char* help;
  bool smoothing, low_rank, gptq;
};

// rtn, gptq, smooth, svdquant, svdquant+gptq. Throws Error{InvalidArgument} listing them.
const Method& method_from_name(const std::string& name);
std::vector<std::string> method_names();

// What a layer read during calibration. Without rows nothing is observed: rounding to nearest is all that can be done.
struct Inputs {
  Matrix rows;                // [m, taps · k]
  std::vector<int> image;     // [m] which reading a row is from
  Matrix channel_max;         // [readings, k]: the largest magnitude of each input channel
  bool one_scale_per_image = false;  // convolutions; else one a row
};

struct LayerProblem {
  std::string name;
  QuantShape shape;
  ActivationKind activation = ActivationKind::Int8;
  float shift = 0;      // of unsigned int4 activations; 0: signed
  int64_t rank = 0;     // of the branch, where the method has one
  Matrix weight;        // [n, taps · k]
  const Inputs* inputs = nullptr;
  bool has_bias = true;  // without one, mean errors are not moved into it (a shift still is)
};

struct LayerSolution {
  QuantWeight weight;
  std::vector<float> input_scale;  // [k] or empty
  Matrix down, up;                 // [rank, taps · k] against the raw input, [n, rank]; values of bf16
  std::vector<float> bias_change;  // [n] or empty: added to the layer's bias
  float shift = 0;
  double error = 0;                // |y - y'|^2 / |y|^2 on at most 512 of the observed rows; of the weight where there are none
};

// Layers that read the same input, in the same format: they share one smoothing vector, whose maxima are taken over all
// their weights, and one `down`, found for the weights one under the other.
std::vector<LayerSolution> solve(Context& context, const Method& method, const std::vector<LayerProblem>& layers, uint64_t seed);

// --- Steps, for tests and for new methods.

// Rows as an integer layer sees them: x · input_scale rounded and scaled back (kernels/quantize/quantize.h); with a shift the result
// still contains it. [m, taps · k]
Matrix simulate_activations(Context& context, const Inputs& inputs, const QuantShape& shape, ActivationKind kind, float shift,
                            const std::vector<float>& input_scale);

// Rounds [n, taps · k] to nearest, group scales from the largest magnitude.
QuantWeight round_to_nearest(Context& context, const Matrix& weight, const QuantShape& shape);
// The same scales; rounding errors are handed on along k by the factor of the inputs' second moments. Linear layers use all
// inputs at once, convolutions one tap at a time. `inputs` as simulate_activations() leaves them.
// `centred`: the bias takes up mean errors.
QuantWeight round_with_gptq(Context& context, const Matrix& weight, const QuantShape& shape, Executed form, const Matrix& inputs, bool centred);

// Low-rank part of W' for a given rank, alternated with rounding to nearest of the rest while the output error falls, the best kept.
// `rows` are the smoothed inputs as executed, a sample; `weights_of_columns` [taps · k] scales the columns in the decomposition.
struct Branch {
  Matrix up, down;  // [n, rank], [rank, taps · k], against the smoothed input; values of float32
  std::vector<double> errors;  // squared output error after each round, as tried
};
Branch find_branch(Context& context, const Matrix& weight, const QuantShape& shape, Executed form, const Matrix& rows, int64_t rank,
                   int rounds, uint64_t seed);

// The exponents (alpha, beta) of the 39 candidates s = A^alpha / B^beta, in the published order.
struct SmoothingCandidate {
  float alpha, beta;
};
std::vector<SmoothingCandidate> smoothing_candidates(int grids = 20);
// s of one candidate from the largest inputs A [k] and weights B [k]; all ones where anything is not finite.
std::vector<float> smoothing_vector(const SmoothingCandidate& c, const std::vector<float>& a, const std::vector<float>& b);

}  // namespace nibble::quant
