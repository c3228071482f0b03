#include "fuzz.h"

using namespace nibble;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::run(data, size,
                   [](const std::filesystem::path& file) { fuzz::read_all(read_npy(MappedFile::open(file))); });
}
