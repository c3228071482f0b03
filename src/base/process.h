// What the system says of this process and its processor.
#pragma once

#include <string>

namespace nibble {

double resident_bytes();       // 0 where the system does not tell
double peak_resident_bytes();  // since the start or the last reset
// From here on the peak counts anew; freed heap is given back first. False where the system cannot.
bool reset_peak_resident();

std::string processor_name();  // "AMD EPYC"; "unknown" where the system does not tell

}  // namespace nibble
