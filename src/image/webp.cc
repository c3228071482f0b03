// The one place that uses libwebp.
#include <webp/decode.h>

#include "base/error.h"
#include "image/formats.h"

namespace nibble {

bool is_webp(std::string_view bytes) {
  return bytes.size() >= 12 && bytes.starts_with("RIFF") && bytes.substr(8, 4) == "WEBP";
}

DecodedImage decode_webp(std::string_view bytes, const std::string& what) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, bytes.size(), &features) != VP8_STATUS_OK) {
    fail(ErrorCode::Corrupt, "{}: damaged WebP header", what);
  }
  if (features.has_animation) fail(ErrorCode::Unsupported, "{}: animated WebP; take one frame of it first", what);
  check_image_size(features.width, features.height, what);
  DecodedImage decoded;
  Image& image = decoded.image;
  image = Image(features.width, features.height, features.has_alpha ? 4 : 3);
  const auto decode = features.has_alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  const int stride = static_cast<int>(image.width * image.channels);
  if (!decode(data, bytes.size(), image.pixels.data(), image.pixels.size(), stride)) {
    fail(ErrorCode::Corrupt, "{}: damaged WebP data", what);
  }
  return decoded;
}

}  // namespace nibble
