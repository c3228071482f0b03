// Little-endian numbers from a span, with every access checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace nibble {

class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string what) : bytes_(bytes), what_(std::move(what)) {}

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }
  void seek(size_t position) {
    if (position > bytes_.size()) truncated(position);
    position_ = position;
  }

  std::span<const std::byte> take(size_t count) {
    if (count > left()) truncated(count);
    const auto out = bytes_.subspan(position_, count);
    position_ += count;
    return out;
  }
  std::string_view take_text(size_t count) {
    const auto out = take(count);
    return {reinterpret_cast<const char*>(out.data()), out.size()};
  }
  // The text before the next newline, which is skipped.
  std::string_view take_line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_, left());
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) truncated(left() + 1);
    position_ += end + 1;
    return rest.substr(0, end);
  }
  uint64_t number(int bytes) {
    const auto from = take(static_cast<size_t>(bytes));
    uint64_t out = 0;
    for (int i = bytes - 1; i >= 0; --i) out = out << 8 | std::to_integer<uint64_t>(from[static_cast<size_t>(i)]);
    return out;
  }
  uint8_t u8() { return static_cast<uint8_t>(number(1)); }
  uint16_t u16() { return static_cast<uint16_t>(number(2)); }
  uint32_t u32() { return static_cast<uint32_t>(number(4)); }
  uint64_t u64() { return number(8); }

 private:
  [[noreturn]] void truncated(size_t wanted) const {
    fail(ErrorCode::Corrupt, "{}: truncated or damaged: at byte {} want {} more bytes, found {}; download it again",
         what_, position_, wanted, left());
  }

  std::span<const std::byte> bytes_;
  std::string what_;
  size_t position_ = 0;
};

}  // namespace nibble
