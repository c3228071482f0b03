// Structural similarity (Wang et al. 2004) and its form at five scales (Wang et al. 2003), with torchmetrics' conventions:
// Gaussian window of 11 with sigma 1.5, K1 0.01, K2 0.03, values 0…1, each channel by itself, reflected borders, variances
// at least 0, mean over pixels and channels.
#pragma once

#include <array>

#include "image/image.h"

namespace nibble {

// The window's weights along one axis, their sum 1.
std::array<double, 11> ssim_window();

// Pictures of one size; throws Error{InvalidArgument} below 6 pixels a side.
double ssim(const Image& reference, const Image& image);

// Leaves out 5 pixels at each border; throws Error{InvalidArgument} below 11 pixels a side.
double ssim_valid(const Image& reference, const Image& image);

// Contrast terms without the border, similarity at the last scale with it; negative means count as 0.
// Throws Error{InvalidArgument} below 176 pixels a side.
double ms_ssim(const Image& reference, const Image& image);

// The same at the first four scales, their weights scaled to the sum 1; throws below 88 pixels a side.
double ms_ssim_4(const Image& reference, const Image& image);

// ms_ssim with the similarity of the last scale without its border too, as pytorch-msssim and older torchmetrics.
double ms_ssim_valid(const Image& reference, const Image& image);

}  // namespace nibble
