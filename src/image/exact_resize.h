// The resizes of the reference metrics beside Pillow's (image/resize.h), and the picture sizes that their networks
// take.
#pragma once

#include <array>

#include "image/image.h"

namespace nibble {

FloatImage to_float(const Image& image);  // the same numbers, 0…255

// torch.nn.functional.interpolate(mode, align_corners=False, antialias) on float32, in float32 as torch computes it:
//   bilinear           x = max(0, scale (i + ½) − ½), two taps at floor(x); scale = in/out
//   bicubic            x = scale (i + ½) − ½, Keys' cubic with a = −0.75, four taps, those outside repeat the edge
//   …Antialias         Pillow's windows, widened by max(scale, 1), the cubic with a = −0.5; width first, then height
//   TensorFlow1        x = scale i, two taps; the first versions of TensorFlow, torch-fidelity and the 2015 Inception
//   graph
enum class Interpolation { Bilinear, Bicubic, BilinearAntialias, BicubicAntialias, TensorFlow1 };

// Throws Error{InvalidArgument} for an empty image or size, as resize() of image/resize.h.
FloatImage interpolate(const FloatImage& image, int64_t width, int64_t height, Interpolation kind);

// What the Inception networks of the four Fréchet pipelines are given, RGB, values 0…255 unrounded:
// clean-fid "clean" (Pillow's mode F bicubic, clipped to 0…255), pytorch-fid (bilinear), torch-fidelity (TensorFlow 1),
// and torchmetrics from 1.8 on (bilinear with antialiasing).
enum class FidResize { CleanFid, PytorchFid, TorchFidelity, TorchMetrics };
FloatImage fid_picture(const Image& image, FidResize pipeline, int64_t size = 299);

// Where an odd margin goes: torchvision rounds half of it to even, Hugging Face's processors down.
enum class CropRule { Torchvision, HuggingFace };

// Throws Error{InvalidArgument} when the image is smaller than the crop.
Image center_crop(const Image& image, int64_t width, int64_t height, CropRule rule);

// The shorter side becomes `size`, the longer trunc(size · long / short); Pillow's bicubic.
Image resize_shorter_side(const Image& image, int64_t size);

// The square RGB picture that CLIP (rule of its processor) and ImageReward (torchvision's rule) take: shorter side to
// `size`, centre crop. Torchvision's rule converts to RGB at the end, as openai/CLIP and ImageReward do, Hugging Face's
// at the start.
Image clip_picture(const Image& image, CropRule rule, int64_t size = 224);

struct ChannelNorm {
  std::array<float, 3> mean, deviation;
};
inline constexpr ChannelNorm kClipNorm = {{0.48145466f, 0.4578275f, 0.40821073f},
                                          {0.26862954f, 0.26130258f, 0.27577711f}};

// (p/255 − mean) / deviation by channel, in float32. RGB only (NIBBLE_CHECK).
FloatImage normalized(const Image& image, const ChannelNorm& norm);

}  // namespace nibble
