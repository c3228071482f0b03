// The picture formats by themselves, for codec.cc.
#pragma once

#include <string>
#include <string_view>

#include "image/codec.h"

namespace nibble {

bool is_png(std::string_view bytes);
DecodedImage decode_png(std::string_view bytes, const std::string& what);

bool is_jpeg(std::string_view bytes);
DecodedImage decode_jpeg(std::string_view bytes, const std::string& what);

bool is_webp(std::string_view bytes);
DecodedImage decode_webp(std::string_view bytes, const std::string& what);

// Throws Error{InvalidArgument} if the picture is empty or has more than kMaxImagePixels.
void check_image_size(int64_t width, int64_t height, const std::string& what);

// The orientation 1…8 in a TIFF-structured EXIF block (without the "Exif\0\0" that JPEG puts before it); 1 where absent
// or damaged.
int exif_orientation(std::string_view tiff);

}  // namespace nibble
