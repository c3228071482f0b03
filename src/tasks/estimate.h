// Memory and time of a text-to-image run, from the same graphs that run it, before anything is allocated. docs/estimate.md
// writes the formula out.
#pragma once

#include <string>
#include <vector>

#include "base/process.h"
#include "pipelines/loaded_model.h"
#include "pipelines/request.h"
#include "tasks/machine.h"

namespace nibble {

struct StageEstimate {
  std::string name;         // "text", "denoise", "decode"
  double weight_bytes = 0;  // mapped from the file, in the page cache, given back after the stage
  double arena_bytes = 0;   // activations and scratch
  double other_bytes = 0;   // copies of inputs and results
  double runs = 1;          // passes of the graph
  GraphCost cost;           // of one pass
  double open_seconds = 0;  // binding weights, recording and planning, building the tokenizer: measured by doing it
  double once_seconds = 0;  // hoisted work and first touch of the weights and the arena
  double pass_seconds = 0;
  double bytes() const { return weight_bytes + arena_bytes + other_bytes; }
  double seconds() const { return open_seconds + once_seconds + runs * pass_seconds; }
};

struct Estimate {
  std::vector<StageEstimate> stages;
  double process_bytes = 0;  // the program before it loads anything
  double peak_bytes = 0;     // largest resident size
  double mean_bytes = 0;     // over the run's time
  double picture_seconds = 0;  // encoding the PNG
  double seconds = 0;        // from the start of generate() to the written picture
  int64_t width = 0, height = 0;
  int64_t strips = 1;        // of the decoder
  int steps = 0;
  bool guided = false, batched = false;
};

// `program_bytes` is what the process that draws holds before it loads anything; usually this one does nothing else.
Estimate estimate_generate(Context& context, const LoadedModel& model, const GenerateRequest& request, const MachineProfile& machine,
                           double program_bytes = resident_bytes());

std::string estimate_table(const Estimate& estimate, const MachineProfile& machine);
Json to_json(const Estimate& estimate, const MachineProfile& machine);

}  // namespace nibble
