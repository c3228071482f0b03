#include "formats/npz.h"
#include "fuzz.h"

using namespace nibble;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::run(data, size, [](const std::filesystem::path& file) { read_npz(file); });
}
