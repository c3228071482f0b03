// The convolutional halves of AlexNet, VGG16 and SqueezeNet 1.1 (torchvision), whose features LPIPS compares. Parameters have
// torchvision's names, "features.N.…".
#pragma once

#include <variant>

#include "models/plain_conv.h"
#include "ops/pool.h"

namespace nibble::models {

enum class Backbone { Alex, Vgg16, Squeeze };

// Channels of the taps, which are outputs of ReLU; their number is that of the taps.
std::vector<int64_t> tap_channels(Backbone backbone);

class FeatureNet {
 public:
  FeatureNet(const Scope& scope, Backbone backbone);

  // picture [N, H, W, 3], normalised by the caller, -> the taps [N, h, w, C]. Throws Error{InvalidArgument} for pictures smaller
  // than the windows. A tap's label is the path of its layer, "features.3".
  std::vector<Value> operator()(Value picture) const;

 private:
  struct Fire {  // Iandola et al. 2016: relu(squeeze), then [relu(1x1) | relu(3x3)]
    std::string path;
    PlainConv squeeze, expand1x1, expand3x3;
  };
  struct Step {
    std::variant<PlainConv, Fire, ops::PoolOptions> layer;
    bool tap = false;
  };
  std::vector<Step> steps_;
};

}  // namespace nibble::models
