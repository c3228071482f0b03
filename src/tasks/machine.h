// A machine as the estimate sees it: what one unit of each kind of work costs. Measured here by `nibble bench`, or derived
// from a few figures about another device.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "base/context.h"
#include "base/json.h"
#include "graph/cost.h"
#include "tensor/dtype.h"

namespace nibble {

struct WorkCost {
  double seconds_per_operation = 0;  // of matrix products, convolutions or attention, all threads together
  double seconds_per_weight_byte = 0;  // fetching weights and expanding them into panels
  double seconds_per_op = 0;           // starting on all threads, unequal shares, ragged edges: what small layers take beside
};

struct PrecisionCost {
  std::map<std::string, WorkCost> by_op;  // "linear", "conv2d", "attention", and the quantized: "linear_int8" ...
  double seconds_per_element = 0;         // one pass over one element of anything else
};

struct MachineProfile {
  std::string name;
  std::string origin;  // "measured" or the device file
  int threads = 1;
  std::map<std::string, PrecisionCost> precisions;  // "f32", "bf16"
  double seconds_per_node = 0;                      // starting any other op
  double seconds_per_mapped_byte = 0;               // first touch of a page of a mapped file in the page cache
  double seconds_per_fresh_byte = 0;                // first touch of a page of an arena
  double seconds_per_picture_byte = 0;              // of 8-bit RGB, into PNG
};

Json to_json(const MachineProfile& profile);
MachineProfile profile_from_json(const Json& json, const std::string& where);

// A device described by {"name", "cores", "f32_gflops", "bf16_gflops", "bandwidth_gb_s"} (peaks of all cores) and optionally
// "int8_gops" (twice the float rate if absent) and efficiencies: linear_, conv2d_, attention_, linear_int8_, conv2d_int8_, linear_int4_,
// conv2d_int4_efficiency; or a profile written by `nibble bench`.
MachineProfile read_device(const std::filesystem::path& file);

// Runs small networks and fits the costs; about half a minute.
MachineProfile measure_machine(Context& context);

// Where `nibble bench` keeps the profile of this machine: $NIBBLE_CACHE/machine-<threads>.json. One of an older program is none.
std::filesystem::path profile_path(int threads);
std::optional<MachineProfile> saved_profile(int threads);
void save_profile(const MachineProfile& profile);

// Seconds of one run of this work.
double predict_seconds(const MachineProfile& machine, DType precision, const GraphCost& cost);

}  // namespace nibble
