#include "image/codec.h"

#include "base/error.h"
#include "base/file.h"
#include "image/formats.h"

namespace nibble {
namespace {

struct Format {
  bool (*is)(std::string_view);
  DecodedImage (*decode)(std::string_view, const std::string&);
};

constexpr Format kFormats[] = {{is_png, decode_png}, {is_jpeg, decode_jpeg}, {is_webp, decode_webp}};

DecodedImage read_image(const std::filesystem::path& file) {
  return decode_image(read_file(file), "picture " + file.string());
}

}  // namespace

void check_image_size(int64_t width, int64_t height, const std::string& what) {
  if (width < 1 || height < 1) fail(ErrorCode::Corrupt, "{}: its size is {}x{}", what, width, height);
  if (width > kMaxImagePixels / height) {
    fail(ErrorCode::InvalidArgument, "{}: want at most {} million pixels, found {}x{}; make it smaller first", what,
         kMaxImagePixels / 1'000'000, width, height);
  }
}

DecodedImage decode_image(std::string_view bytes, const std::string& what) {
  for (const Format& format : kFormats) {
    if (format.is(bytes)) return format.decode(bytes, what);
  }
  fail(ErrorCode::Unsupported, "{}: want PNG, JPEG or WebP, found something else; convert it first", what);
}

Image read_upright_rgb(const std::filesystem::path& file) {
  const DecodedImage decoded = read_image(file);
  return oriented(to_rgb(decoded.image), decoded.orientation);
}

Image read_rgb(const std::filesystem::path& file) { return to_rgb(read_image(file).image); }

void write_png(const std::filesystem::path& file, const Image& image, const ImageTexts& texts) {
  write_file(file, encode_png(image, texts));
}

}  // namespace nibble
