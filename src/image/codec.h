// Picture files. The kind is told by the content, never by the name: PNG, JPEG, WebP are read, PNG is written.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "image/image.h"

namespace nibble {

// Texts of a PNG by keyword, in UTF-8; "parameters" is what AUTOMATIC1111 and other tools read.
using ImageTexts = std::map<std::string, std::string>;

struct DecodedImage {
  Image image;          // 1, 3 or 4 channels as stored; palettes, 16 bits and CMYK are expanded or reduced to that
  ImageTexts texts;     // of a PNG
  int orientation = 1;  // EXIF 1…8, not applied
};

// Pictures larger than this are refused before their pixels are allocated.
inline constexpr int64_t kMaxImagePixels = 100'000'000;

// `what` names the picture in errors. Throws Error{Unsupported} for other formats and animations, Error{Corrupt} for
// damaged or truncated data, Error{InvalidArgument} beyond kMaxImagePixels.
DecodedImage decode_image(std::string_view bytes, const std::string& what);

// As decode_image; then upright (EXIF orientation applied) RGB, as diffusers' load_image.
Image read_upright_rgb(const std::filesystem::path& file);

// RGB as stored (orientation ignored), as the reference metrics read pictures.
Image read_rgb(const std::filesystem::path& file);

// The bytes of a PNG; the same picture and texts always give the same bytes. Texts within Latin-1 become tEXt chunks,
// others iTXt. Keywords have 1 to 79 printable Latin-1 characters (NIBBLE_CHECK).
std::string encode_png(const Image& image, const ImageTexts& texts = {});

// To a temporary that is renamed: the file is whole or absent.
void write_png(const std::filesystem::path& file, const Image& image, const ImageTexts& texts = {});

}  // namespace nibble
