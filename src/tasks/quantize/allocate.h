// Rank and precision of layers under a byte budget for the whole file (--target-size).
#pragma once

#include "tasks/quantize/calibration.h"

namespace nibble {

// What the file will take with these layers, its header included; at most a fraction of a percent too much.
size_t predicted_bytes(const models::ModelSource& source, const std::vector<PlannedLayer>& layers,
                       const std::string& method);

// Throws Error{InvalidArgument} with the smallest size that can be reached where it is above the request's.
void check_budget(const models::ModelSource& source, const QuantizeRequest& request,
                  const std::vector<PlannedLayer>& layers);

// Solves every int4 layer with branches of rank 0, half the request's, the request's and twice that, and in int8, as
// far as one of them alone would fit; then gives each layer the rank, or int8, that makes the sum of the measured
// output errors small within the budget (quant/budget.h). Solutions stay in `work`. Progress stages "rank 0", ...,
// "int8".
void spend_budget(Context& context, const models::ModelSource& source, const QuantizeRequest& request,
                  const std::filesystem::path& work, std::vector<PlannedLayer>& layers);

}  // namespace nibble
