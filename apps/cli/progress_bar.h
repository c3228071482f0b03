// One line on stderr that is rewritten: stage, bar, count, time left. Nothing where stderr is no terminal.
#pragma once

#include <cstdint>
#include <string>

namespace nibble::cli {

void show_progress(const std::string& stage, int64_t done, int64_t total);
void clear_progress();

}  // namespace nibble::cli
