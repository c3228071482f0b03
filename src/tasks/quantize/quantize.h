// One command from a checkpoint to a quantized file: calibrate, solve layer by layer, write.
#pragma once

#include "base/json.h"
#include "tasks/quantize/calibration.h"

namespace nibble {

struct QuantizedLayerReport {
  std::string name;
  QuantRecord record;
  QuantShape shape;
  size_t bytes = 0, source_bytes = 0;  // of the weight with all that belongs to it
};

struct QuantizeReport {
  std::vector<QuantizedLayerReport> layers;
  size_t bytes = 0;         // of the file
  size_t source_bytes = 0;  // of the source's tensors
};

// Runs everything that a run before has not left in the work folder, writes `request.out` (temporary and rename) and removes the work
// folder. Progress stages "sample", "observe", "observe decoder", with a byte budget "rank 0", "rank 16", ..., "int8", then "quantize",
// "write". Same request, same bytes, also after a
// kill at any moment. Throws Error{Unsupported} for sources of no known family or already quantized, Error{Io},
// Error{OutOfMemory} over the request's limit, Error{Cancelled}.
QuantizeReport quantize_model(Context& context, const QuantizeRequest& request);

Json to_json(const QuantizeReport& report);

// --- Steps.

// Solves the planned layers into `work`/solved, one file each; progress is reported as `stage`.
void solve_layers(Context& context, const models::ModelSource& source, const std::vector<PlannedLayer>& layers,
                  const QuantizeRequest& request, const std::filesystem::path& work, const std::string& stage = "quantize");

// Everything of the source, with solved layers in place of their weights, as one file.
QuantizeReport write_quantized(Context& context, const models::ModelSource& source, const std::vector<PlannedLayer>& layers,
                               const QuantizeRequest& request, const std::filesystem::path& work);

// How a tensor that is not quantized is stored.
DType kept_type(const TensorInfo& info);

std::filesystem::path solved_file(const std::filesystem::path& work, size_t index, const PlannedLayer& layer);

}  // namespace nibble
