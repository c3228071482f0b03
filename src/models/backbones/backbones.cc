#include "models/backbones/backbones.h"

#include "base/check.h"
#include "ops/basic.h"

namespace nibble::models {
namespace {

enum class Kind { Conv, Fire, Pool };

// index: of the layer in torchvision's `features`. Fire: `squeeze` channels between, `out` in all.
struct Row {
  Kind kind;
  int index;
  int64_t out = 0;
  Window window = {3, 3, 1, 1, 1};
  bool tap = false;
  int64_t squeeze = 0;
  ops::PoolOptions pool = {};
};

constexpr Row conv(int index, int64_t out, bool tap, Window window = {3, 3, 1, 1, 1}) {
  return {Kind::Conv, index, out, window, tap};
}
constexpr Row fire(int index, int64_t squeeze, int64_t out, bool tap) {
  return {Kind::Fire, index, out, {}, tap, squeeze};
}
constexpr Row pool(int64_t kernel, bool round_up = false) {
  return {.kind = Kind::Pool, .index = 0, .pool = {kernel, 2, 0, round_up}};
}

constexpr Row kAlex[] = {conv(0, 64, true, {11, 11, 4, 2, 2}), pool(3), conv(3, 192, true, {5, 5, 1, 2, 2}), pool(3),
                         conv(6, 384, true), conv(8, 256, true), conv(10, 256, true)};
constexpr Row kVgg16[] = {conv(0, 64, false), conv(2, 64, true), pool(2),
                          conv(5, 128, false), conv(7, 128, true), pool(2),
                          conv(10, 256, false), conv(12, 256, false), conv(14, 256, true), pool(2),
                          conv(17, 512, false), conv(19, 512, false), conv(21, 512, true), pool(2),
                          conv(24, 512, false), conv(26, 512, false), conv(28, 512, true)};
constexpr Row kSqueeze[] = {conv(0, 64, true, {3, 3, 2, 0, 0}), pool(3, true),
                            fire(3, 16, 128, false), fire(4, 16, 128, true), pool(3, true),
                            fire(6, 32, 256, false), fire(7, 32, 256, true), pool(3, true),
                            fire(9, 48, 384, true), fire(10, 48, 384, true), fire(11, 64, 512, true), fire(12, 64, 512, true)};

std::span<const Row> rows_of(Backbone backbone) {
  switch (backbone) {
    case Backbone::Alex: return kAlex;
    case Backbone::Vgg16: return kVgg16;
    case Backbone::Squeeze: return kSqueeze;
  }
  NIBBLE_CHECK(false, "backbone");
}

}  // namespace

std::vector<int64_t> tap_channels(Backbone backbone) {
  std::vector<int64_t> channels;
  for (const Row& row : rows_of(backbone))
    if (row.tap) channels.push_back(row.out);
  return channels;
}

FeatureNet::FeatureNet(const Scope& scope, Backbone backbone) {
  constexpr Window kPoint{1, 1, 1, 0, 0}, kSame{3, 3, 1, 1, 1};
  int64_t in = 3;
  for (const Row& row : rows_of(backbone)) {
    const Scope s = scope / "features" / row.index;
    if (row.kind == Kind::Pool) {
      steps_.push_back({row.pool});
      continue;
    }
    if (row.kind == Kind::Conv)
      steps_.push_back({bind_conv(s, in, row.out, row.window), row.tap});
    else
      steps_.push_back({Fire{s.path(), bind_conv(s / "squeeze", in, row.squeeze, kPoint), bind_conv(s / "expand1x1", row.squeeze, row.out / 2, kPoint),
                             bind_conv(s / "expand3x3", row.squeeze, row.out / 2, kSame)},
                        row.tap});
    in = row.out;
  }
}

std::vector<Value> FeatureNet::operator()(Value x) const {
  std::vector<Value> taps;
  for (const Step& step : steps_) {
    if (const auto* options = std::get_if<ops::PoolOptions>(&step.layer)) {
      x = ops::max_pool(x, *options);
    } else if (const auto* conv = std::get_if<PlainConv>(&step.layer)) {
      x = (*conv)(x);
    } else {
      const Fire& fire = std::get<Fire>(step.layer);
      const Value squeezed = fire.squeeze(x);
      x = x.graph().label(ops::concat({fire.expand1x1(squeezed), fire.expand3x3(squeezed)}, -1), fire.path);
    }
    if (step.tap) taps.push_back(x);
  }
  return taps;
}

}  // namespace nibble::models
