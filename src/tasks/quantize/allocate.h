// Rank and precision of layers under a byte budget for the whole file (--target-size).
#pragma once

#include "tasks/quantize/calibration.h"

namespace nibble {

// What the file will take with these layers, its header included; at most a fraction of a percent too much.
size_t predicted_bytes(const models::ModelSource& source, const std::vector<PlannedLayer>& layers, const std::string& method);

// The plan of the request; with a budget, at the largest rank up to the request's that keeps it. Throws Error{InvalidArgument} with the
// smallest size reached where none does.
std::vector<PlannedLayer> plan_within_budget(const models::ModelSource& source, const QuantizeRequest& request);

// Spends what is left of the budget: int4 layers with the largest output error for the bytes it takes become int8. Reads the errors of
// the solved layers in `work`.
void raise_layers(const models::ModelSource& source, const QuantizeRequest& request, const std::filesystem::path& work,
                  std::vector<PlannedLayer>& layers);

}  // namespace nibble
