#include "base/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <vector>

#include "base/check.h"
#include "base/error.h"

namespace nibble {

std::string inflate_bytes(std::span<const std::byte> data, Deflated kind, size_t largest, const std::string& what) {
  z_stream stream{};
  NIBBLE_CHECK(inflateInit2(&stream, kind == Deflated::Raw ? -MAX_WBITS : MAX_WBITS + 16) == Z_OK, "zlib");
  const auto end = [](z_stream* s) { inflateEnd(s); };
  const std::unique_ptr<z_stream, decltype(end)> guard(&stream, end);
  std::string out;
  std::vector<unsigned char> buffer(1 << 18);
  int status = Z_OK;
  while (status == Z_OK) {
    if (stream.avail_in == 0) {
      const size_t part = std::min<size_t>(data.size(), INT_MAX);
      stream.next_in = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(data.data()));
      stream.avail_in = static_cast<unsigned>(part);
      data = data.subspan(part);
    }
    stream.next_out = buffer.data();
    stream.avail_out = static_cast<unsigned>(buffer.size());
    status = inflate(&stream, Z_NO_FLUSH);
    const size_t got = buffer.size() - stream.avail_out;
    if (got > largest - out.size())
      fail(ErrorCode::Corrupt, "{}: unpacks to more than {} bytes; download it again", what, largest);
    out.append(reinterpret_cast<const char*>(buffer.data()), got);
  }
  if (status != Z_STREAM_END)
    fail(ErrorCode::Corrupt, "{}: damaged compressed data after {} bytes; download it again", what, out.size());
  return out;
}

uint32_t crc32_of(std::span<const std::byte> data) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const unsigned char*>(data.data()), data.size()));
}

}  // namespace nibble
