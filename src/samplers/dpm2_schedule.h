// The schedule shared by DPM2 and DPM2 ancestral: a call at each level and one between it and the next.
#pragma once

#include <functional>

#include "samplers/schedule.h"

namespace nibble {

// `midpoint(from, to)` gives the level of the second call of a step. sigmas of the result are s0 s1 s1 s2 s2 ... 0 0 0.
Schedule midpoint_schedule(const SchedulerConfig& config, int steps,
                           const std::function<float(float from, float to)>& midpoint);

}  // namespace nibble
