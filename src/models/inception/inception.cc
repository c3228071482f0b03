#include "models/inception/inception.h"

#include "ops/basic.h"
#include "ops/pool.h"

namespace nibble::models {
namespace {

constexpr double kEps = 0.001;
constexpr ops::PoolOptions kHalve{3, 2}, kSmooth{3, 1, 1};
constexpr Window kPoint{1, 1, 1, 0, 0}, kSame3{3, 3, 1, 1, 1}, kSame5{5, 5, 1, 2, 2}, kPlain3{3, 3, 1, 0, 0}, kHalve3{3, 3, 2, 0, 0};
constexpr Window kWide7{1, 7, 1, 0, 3}, kHigh7{7, 1, 1, 3, 0}, kWide3{1, 3, 1, 0, 1}, kHigh3{3, 1, 1, 1, 0};

struct Layer {
  const char* name;
  int64_t out;
  Window window;
};

}  // namespace

// Writes down one block: `in` is followed along a branch, `channels` over the block.
class InceptionV3::Binder {
 public:
  Binder(const Scope& scope, int64_t in, Pool pool) : scope_(scope), in_(in), block_{scope.path(), {}, pool, {}, 0} {}

  Binder& branch(std::initializer_list<Layer> chain, std::initializer_list<Layer> ends = {}) {
    Branch made;
    int64_t at = in_;
    for (const Layer& layer : chain) made.chain.push_back(bind(layer, at)), at = layer.out;
    for (const Layer& layer : ends) made.ends.push_back(bind(layer, at)), block_.channels += layer.out;
    if (made.ends.empty()) block_.channels += at;
    block_.branches.push_back(std::move(made));
    return *this;
  }

  Block projected(int64_t out) {
    block_.projection.push_back(bind({"branch_pool", out, kPoint}, in_));
    block_.channels += out;
    return block_;
  }
  Block plain() {
    block_.channels += in_;
    return block_;
  }

 private:
  PlainConv bind(const Layer& layer, int64_t in) const {
    return bind_conv_batch_norm(scope_ / layer.name, in, layer.out, layer.window, kEps);
  }

  Scope scope_;
  int64_t in_;
  Block block_;
};

InceptionV3::InceptionV3(const Scope& s) {
  int64_t in = 3;
  for (const Layer& layer : {Layer{"Conv2d_1a_3x3", 32, kHalve3}, {"Conv2d_2a_3x3", 32, kPlain3}, {"Conv2d_2b_3x3", 64, kSame3},
                             {"Conv2d_3b_1x1", 80, kPoint}, {"Conv2d_4a_3x3", 192, kPlain3}}) {
    stem_.push_back(bind_conv_batch_norm(s / layer.name, in, layer.out, layer.window, kEps));
    in = layer.out;
  }
  const auto block = [&](const char* name, Pool pool) { return Binder(s / name, blocks_.empty() ? in : blocks_.back().channels, pool); };
  const auto type_a = [&](const char* name, int64_t pooled) {
    blocks_.push_back(block(name, Pool::Average)
                          .branch({{"branch1x1", 64, kPoint}})
                          .branch({{"branch5x5_1", 48, kPoint}, {"branch5x5_2", 64, kSame5}})
                          .branch({{"branch3x3dbl_1", 64, kPoint}, {"branch3x3dbl_2", 96, kSame3}, {"branch3x3dbl_3", 96, kSame3}})
                          .projected(pooled));
  };
  const auto type_c = [&](const char* name, int64_t c) {
    blocks_.push_back(block(name, Pool::Average)
                          .branch({{"branch1x1", 192, kPoint}})
                          .branch({{"branch7x7_1", c, kPoint}, {"branch7x7_2", c, kWide7}, {"branch7x7_3", 192, kHigh7}})
                          .branch({{"branch7x7dbl_1", c, kPoint}, {"branch7x7dbl_2", c, kHigh7}, {"branch7x7dbl_3", c, kWide7},
                                   {"branch7x7dbl_4", c, kHigh7}, {"branch7x7dbl_5", 192, kWide7}})
                          .projected(192));
  };
  const auto type_e = [&](const char* name, Pool pool) {
    blocks_.push_back(block(name, pool)
                          .branch({{"branch1x1", 320, kPoint}})
                          .branch({{"branch3x3_1", 384, kPoint}}, {{"branch3x3_2a", 384, kWide3}, {"branch3x3_2b", 384, kHigh3}})
                          .branch({{"branch3x3dbl_1", 448, kPoint}, {"branch3x3dbl_2", 384, kSame3}},
                                  {{"branch3x3dbl_3a", 384, kWide3}, {"branch3x3dbl_3b", 384, kHigh3}})
                          .projected(192));
  };
  type_a("Mixed_5b", 32);
  type_a("Mixed_5c", 64);
  type_a("Mixed_5d", 64);
  blocks_.push_back(block("Mixed_6a", Pool::Halve)
                        .branch({{"branch3x3", 384, kHalve3}})
                        .branch({{"branch3x3dbl_1", 64, kPoint}, {"branch3x3dbl_2", 96, kSame3}, {"branch3x3dbl_3", 96, kHalve3}})
                        .plain());
  type_c("Mixed_6b", 128);
  type_c("Mixed_6c", 160);
  type_c("Mixed_6d", 160);
  type_c("Mixed_6e", 192);
  blocks_.push_back(block("Mixed_7a", Pool::Halve)
                        .branch({{"branch3x3_1", 192, kPoint}, {"branch3x3_2", 320, kHalve3}})
                        .branch({{"branch7x7x3_1", 192, kPoint}, {"branch7x7x3_2", 192, kWide7}, {"branch7x7x3_3", 192, kHigh7},
                                 {"branch7x7x3_4", 192, kHalve3}})
                        .plain());
  type_e("Mixed_7b", Pool::Average);
  type_e("Mixed_7c", Pool::Maximum);
  weight_ = (s / "fc").matrix("weight", {1008, blocks_.back().channels});
  bias_ = (s / "fc").vector("bias", 1008);
}

Value InceptionV3::Block::operator()(Value x) const {
  std::vector<Value> parts;
  for (const Branch& branch : branches) {
    Value h = x;
    for (const PlainConv& conv : branch.chain) h = conv(h);
    for (const PlainConv& conv : branch.ends) parts.push_back(conv(h));
    if (branch.ends.empty()) parts.push_back(h);
  }
  const Value pooled = pool == Pool::Average ? ops::average_pool(x, kSmooth) : ops::max_pool(x, pool == Pool::Maximum ? kSmooth : kHalve);
  parts.push_back(projection.empty() ? pooled : projection.front()(pooled));
  return x.graph().label(ops::concat(parts, -1), path);
}

InceptionV3::Features InceptionV3::operator()(Value x) const {
  Graph& g = x.graph();
  Features f;
  for (size_t i = 0; i < 3; ++i) x = stem_[i](x);
  x = ops::max_pool(x, kHalve);
  f.low64 = ops::mean_positions(x);
  for (size_t i = 3; i < 5; ++i) x = stem_[i](x);
  x = ops::max_pool(x, kHalve);
  f.low192 = ops::mean_positions(x);
  for (const Block& block : blocks_) {
    g.begin_segment(block.path);
    if (block.path.ends_with("Mixed_7a")) f.mid768 = ops::mean_positions(x);
    x = block(x);
  }
  f.pool2048 = ops::mean_positions(x);
  f.logits_unbiased = ops::linear(f.pool2048, weight_.in(g));
  f.logits = ops::linear(f.pool2048, weight_.in(g), bias_.in(g));
  return f;
}

}  // namespace nibble::models
