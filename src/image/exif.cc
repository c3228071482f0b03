#include <cstdint>

#include "image/formats.h"

namespace nibble {
namespace {

constexpr uint32_t kOrientationTag = 0x112;
constexpr uint32_t kShortType = 3;
constexpr size_t kEntryBytes = 12;

class TiffReader {
 public:
  explicit TiffReader(std::string_view bytes) : bytes_(bytes), big_endian_(bytes.starts_with("MM")) {}

  // 0 beyond the end.
  uint32_t read(size_t at, size_t count) const {
    if (at > bytes_.size() || bytes_.size() - at < count) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i) {
      const uint32_t byte = static_cast<uint8_t>(bytes_[at + i]);
      value |= byte << 8 * (big_endian_ ? count - 1 - i : i);
    }
    return value;
  }

 private:
  std::string_view bytes_;
  bool big_endian_;
};

}  // namespace

int exif_orientation(std::string_view tiff) {
  const TiffReader reader(tiff);
  if (reader.read(2, 2) != 42) return 1;
  const size_t directory = reader.read(4, 4);
  const size_t entries = reader.read(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (reader.read(entry, 2) != kOrientationTag || reader.read(entry + 2, 2) != kShortType) continue;
    const uint32_t value = reader.read(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace nibble
