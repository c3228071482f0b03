// Measures made of the differences of pixel values.
#pragma once

#include "image/image.h"

namespace nibble {

// Over all channels; pictures of one size.
double mean_squared_error(const Image& reference, const Image& image);         // of values 0…255
double mean_absolute_difference(const Image& reference, const Image& image);  // of values 0…255
double largest_difference(const Image& reference, const Image& image);        // of values 0…255

// 10 log10(255² / mse): infinite for equal pictures. torchmetrics' PeakSignalNoiseRatio of one picture, data_range 1.
double psnr(const Image& reference, const Image& image);
double psnr_of_mse(double mse);

}  // namespace nibble
