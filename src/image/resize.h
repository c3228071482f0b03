// Resizing with exactly Pillow's arithmetic (ImagingResample), so that pictures and metrics equal the reference tools'.
#pragma once

#include <optional>
#include <string_view>

#include "image/image.h"

namespace nibble {

enum class ResizeFilter { Nearest, Box, Bilinear, Bicubic, Lanczos };

std::optional<ResizeFilter> resize_filter_from_name(std::string_view name);  // "nearest", "box", …

// Pillow's Image.resize((width, height), filter): filters widen when shrinking (antialiasing); 8-bit weights have 22 bits
// of fraction, the horizontal pass comes first and is rounded to 8 bits; colours with alpha are resized premultiplied.
// Throws Error{InvalidArgument} for an empty image or size.
Image resize(const Image& image, int64_t width, int64_t height, ResizeFilter filter);

// Pillow's mode F, channel by channel: sums in double, each pass rounded to float, values not clipped.
FloatImage resize(const FloatImage& image, int64_t width, int64_t height, ResizeFilter filter);

}  // namespace nibble
