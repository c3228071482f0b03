// LPIPS v0.1 (Zhang et al. 2018): how different two pictures look to a picture classifier. Each tap's channel vectors are scaled
// to length 1, subtracted, squared, weighted by channel and averaged over positions; the distance is the sum over the taps.
// Backbones and heads are the published files. torchmetrics' and SVDQuant's figures use alex; vgg's are larger, never mix them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "graph/plan.h"
#include "image/image.h"
#include "models/backbones/backbones.h"

namespace nibble {

enum class LpipsNet { Alex, Vgg, Squeeze };

// Where the ε against vectors of zeros stands; ordinary pictures differ by 1e-11.
//   Original      f / (√Σf² + 1e-10), the lpips package
//   TorchMetrics  f / √(1e-8 + Σf²), torchmetrics from 1.3 on
enum class LpipsEpsilon { Original, TorchMetrics };

const char* to_string(LpipsNet net);              // "alex", "vgg", "squeeze"
LpipsNet lpips_net_from_name(std::string_view name);  // throws Error{InvalidArgument} with the known names

struct LpipsDistance {
  double total = 0;
  std::vector<double> taps;
};

class Lpips {
 public:
  // `backbone`: torchvision's classifier (features.N.…); `heads`: the lpips repository's weights of the same net
  // (linK.model.1.weight). The context must outlive the metric. Throws what open_weights throws, and Error{NotFound,
  // InvalidArgument} naming file, tensor, want and found where a file is of another network.
  Lpips(Context& context, LpipsNet net, const std::filesystem::path& backbone, const std::filesystem::path& heads,
        LpipsEpsilon epsilon = LpipsEpsilon::Original);
  Lpips(Context& context, LpipsNet net, std::shared_ptr<const WeightSource> backbone, std::shared_ptr<const WeightSource> heads,
        LpipsEpsilon epsilon = LpipsEpsilon::Original);

  // Pictures of one size, 1, 3 or 4 channels, taken as they are, without a resize. Symmetric; 0 for equal pictures. Features are
  // float32, the heads float64. Throws Error{InvalidArgument} for pictures smaller than the network's windows (alex: 31 pixels).
  LpipsDistance operator()(const Image& reference, const Image& image);

 private:
  struct Recorded {
    Graph graph;
    std::unique_ptr<Plan> plan;
    std::map<std::string, size_t> tap_of;  // by label
    std::vector<double> taps;              // of the pair that runs
  };
  void record(int64_t height, int64_t width);

  Context& context_;
  LpipsEpsilon epsilon_;
  models::FeatureNet net_;
  std::vector<std::vector<double>> heads_;  // [tap][channel]
  std::unique_ptr<Recorded> recorded_;      // for the size of the last pair
  int64_t height_ = 0, width_ = 0;
};

// The term of one tap: features F32 [2, h, w, C] of the two pictures, `head` [C].
double lpips_tap(Context& context, const TensorRef& features, std::span<const double> head, LpipsEpsilon epsilon);

}  // namespace nibble
