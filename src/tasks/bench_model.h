// The speed of a whole model: one denoising pass, one with guidance, one decode, beside what the machine's peaks allow.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/json.h"
#include "graph/cost.h"
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
  std::string model, precision;
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

// `size` 0: the model's own. `runs` passes each, after one that warms up. Throws as load_model().
ModelBench bench_model(Context& context, const std::string& model, int64_t size, DType precision, int runs);

Json to_json(const ModelBench& bench);
std::string bench_text(const ModelBench& bench, int threads);

}  // namespace nibble
