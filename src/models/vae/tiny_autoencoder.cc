#include <span>

#include "base/check.h"
#include "models/vae/vae.h"
#include "models/vae/autoencoder_kl.h"
#include "ops/basic.h"

namespace nibble::models {
namespace {

// x + a 1x1 bottleneck normalised over the whole picture: TAEF2's way to see beyond a block's own window.
struct PoolBranch {
  PoolBranch(const Scope& s, int64_t channels)
      : in(s / 0, channels, kWidth, 1, 1, false), norm(s / 1, kWidth, kGroups, 1e-5f), out(s / 3, kWidth, channels, 1, 1, false) {}
  Value operator()(Value x) const { return ops::add(out(ops::relu(norm(in(x)))), x); }

  static constexpr int64_t kWidth = 256, kGroups = 4;
  nn::Conv2d in;
  nn::GroupNorm norm;
  nn::Conv2d out;
};

// conv.0, conv.2, conv.4 with the activation between, plus the input: AutoencoderTinyBlock.
struct TinyBlock {
  TinyBlock(const Scope& s, int64_t channels, nn::Activation act, bool with_pool)
      : path(s.path()), first(s / "conv" / 0, channels, channels, 3), second(s / "conv" / 2, channels, channels, 3),
        third(s / "conv" / 4, channels, channels, 3), activation(act) {
    if (with_pool) pool.emplace(s / "pool", channels);
  }

  Value operator()(Value x) const {
    if (pool) x = (*pool)(x);
    const Value h = third(nn::activate(second(nn::activate(first(x), activation)), activation));
    return x.graph().label(ops::relu(ops::add(h, x)), path);
  }

  std::string path;
  nn::Conv2d first, second, third;
  nn::Activation activation;
  std::optional<PoolBranch> pool;
};

// The layers of one half are a numbered sequence; a step is a convolution or a block, and says what precedes it.
struct TinyStep {
  std::optional<nn::Conv2d> conv;
  std::optional<TinyBlock> block;
  bool upsample = false;    // enlarge twice before the convolution
  bool activation = false;  // after it
};

class TinyAutoencoder : public Vae {
 public:
  TinyAutoencoder(const Scope& s, const VaeConfig& config, VaeParts parts) : config_(config) {
    if (parts != VaeParts::Decoder) bind_encoder(s / "encoder" / "layers");
    if (parts != VaeParts::Encoder) bind_decoder(s / "decoder" / "layers");
  }

  Value encode(Value picture, bool) const override {
    NIBBLE_CHECK(!encoder_.empty(), "the encoder was not loaded");
    const Value z = run(encoder_, ops::scale(picture, 0.5f, 0.5f));
    return ops::scale(z, config_.scaling, -config_.shift * config_.scaling);
  }

  Value decode(Value latent, const Strips& strips) const override {
    NIBBLE_CHECK(!decoder_.empty(), "the decoder was not loaded");
    Value x = ops::scale(latent, 1.0f / config_.scaling, config_.shift);
    x = ops::scale(ops::tanh(ops::scale(x, 1.0f / 3)), 3);
    // A level at a time: from one enlargement to the next.
    const std::span<const TinyStep> steps(decoder_);
    for (size_t at = 0, end; at < steps.size(); at = end) {
      int64_t convolutions = 0;
      for (end = at; end < steps.size() && (end == at || !steps[end].upsample); ++end) convolutions += steps[end].block ? 3 : 1;
      const auto level = steps.subspan(at, end - at);
      const int64_t scale = level.front().upsample ? 2 : 1;
      const StripPart part{[&](Value v) { return run(level, v); }, scale, (convolutions + scale - 1) / scale};
      x = in_strips(x, part, at == 0 ? Strips{} : strips);
    }
    return ops::scale(x, 2, -1);
  }

  const VaeConfig& config() const override { return config_; }

 private:
  void bind_encoder(const Scope& s) {
    int64_t at = 0;
    for (size_t i = 0; i < config_.encoder_blocks.size(); ++i) {
      const int64_t c = config_.encoder_channels[i];
      add_conv(encoder_, s / at++, i == 0 ? 3 : c, c, i == 0 ? 1 : 2, i == 0);
      for (int64_t j = 0; j < config_.encoder_blocks[i]; ++j) add_block(encoder_, s / at++, c, i + 1 == config_.encoder_blocks.size());
    }
    add_conv(encoder_, s / at, config_.encoder_channels.back(), config_.latent_channels, 1, true);
  }

  void bind_decoder(const Scope& s) {
    int64_t at = 0;
    add_conv(decoder_, s / at, config_.latent_channels, config_.decoder_channels[0], 1, true);
    decoder_.back().activation = true;
    at = 2;
    for (size_t i = 0; i < config_.decoder_blocks.size(); ++i) {
      const int64_t c = config_.decoder_channels[i];
      const bool last = i + 1 == config_.decoder_blocks.size();
      for (int64_t j = 0; j < config_.decoder_blocks[i]; ++j) add_block(decoder_, s / at++, c, i == 0);
      if (!last) ++at;  // the upsampling layer
      add_conv(decoder_, s / at++, c, last ? 3 : c, 1, last);
      decoder_.back().upsample = !last;
    }
  }

  static void add_conv(std::vector<TinyStep>& steps, const Scope& s, int64_t in, int64_t out, int64_t stride, bool bias) {
    steps.emplace_back().conv.emplace(s, in, out, 3, stride, bias);
  }
  void add_block(std::vector<TinyStep>& steps, const Scope& s, int64_t channels, bool innermost) const {
    steps.emplace_back().block.emplace(s, channels, config_.activation, innermost && config_.pool_blocks);
  }

  Value run(std::span<const TinyStep> steps, Value x) const {
    for (const TinyStep& step : steps) {
      if (step.block) {
        x = (*step.block)(x);
        continue;
      }
      x = (*step.conv)(step.upsample ? ops::upsample_nearest_2x(x) : x);
      if (step.activation) x = nn::activate(x, config_.activation);
    }
    return x;
  }

  VaeConfig config_;
  std::vector<TinyStep> encoder_, decoder_;
};

}  // namespace

std::unique_ptr<Vae> make_vae(const Scope& scope, const VaeConfig& config, VaeParts parts) {
  if (config.tiny) return std::make_unique<TinyAutoencoder>(scope, config, parts);
  return std::make_unique<AutoencoderKL>(scope, config, parts);
}

}  // namespace nibble::models
