// The speed of a whole model: one denoising pass, one with guidance, one decode, beside what the machine's peaks allow.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/json.h"
#include "graph/cost.h"
#include "kernels/attention/form.h"
#include "tensor/dtype.h"

namespace nibble {

// Of all threads together, in operations per second, measured in the same run.
struct MachinePeaks {
  double floats = 0;  // of the arithmetic that float ops of this precision use
  double int8 = 0;
};
MachinePeaks measure_peaks(const Context& context, DType precision);

struct PassBench {
  std::string name;        // "unet", "unet, guided", "decode"
  double seconds = 0;      // wall time, the best of the runs
  double operations = 0;
  double bound_seconds = 0;  // every op at the peak of its arithmetic
  size_t arena_bytes = 0;
  std::map<std::string, double> seconds_by_op;
  double ratio() const { return bound_seconds / seconds; }
};

struct ModelBench {
  std::string model;
  std::string precision;  // "f32", or with the form of attention: "f32, attention int8"
  std::string weights;  // of the denoiser: "f16", or of a quantized file precision and method
  int64_t size = 0;
  size_t weight_bytes = 0;  // of the denoiser
  MachinePeaks peaks;
  std::vector<PassBench> passes;
  double peak_bytes = 0;  // resident size of the process at its largest
  int steps = 0;          // the model's habit
  bool guided = true;
  double picture_seconds() const;  // steps passes and one decode
};

struct ModelBenchOptions {
  int64_t size = 0;  // 0: the model's own
  DType precision = DType::F32;
  AttentionForm attention = AttentionForm::Float;
  int runs = 3;  // passes to take the best of, after one that warms up
};

// Throws as load_model().
ModelBench bench_model(Context& context, const std::string& model, const ModelBenchOptions& options);

Json to_json(const ModelBench& bench);
std::string bench_text(const ModelBench& bench, int threads);

}  // namespace nibble
