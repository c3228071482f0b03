// The input is a whole zip or legacy file when it begins like one, else the pickle inside a zip with one storage.
#include <string_view>

#include "formats/hostile_files.h"
#include "fuzz.h"

using namespace nibble;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.starts_with("PK"))
    return fuzz::run(data, size,
                     [](const std::filesystem::path& file) { fuzz::read_all(read_torch_zip(MappedFile::open(file))); });
  if (bytes.starts_with("\x80\x02\x8a\x0a"))
    return fuzz::run(data, size, [](const std::filesystem::path& file) {
      fuzz::read_all(read_torch_legacy(MappedFile::open(file)));
    });
  const std::string zip = hostile::torch_zip(std::string(bytes));
  return fuzz::run(reinterpret_cast<const uint8_t*>(zip.data()), zip.size(),
                   [](const std::filesystem::path& file) { fuzz::read_all(read_torch_zip(MappedFile::open(file))); });
}
