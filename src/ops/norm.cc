#include "ops/norm.h"

#include "base/check.h"
#include "kernels/norm/norm.h"
#include "ops/basic.h"
#include "ops/memory.h"
#include "ops/parallel.h"

namespace nibble::ops {
namespace {

// y = x̂ · gamma + beta over the last axis, from x̂; shared by the gradients.
Value centre_last(Value x) {
  const int64_t c = x.dim(-1);
  return sub(x, broadcast_last(scale(sum_last(x), 1.0f / static_cast<float>(c)), c));
}

Value rstd_last(Value centred, float eps) {
  const int64_t c = centred.dim(-1);
  const Value variance = scale(sum_last(square(centred)), 1.0f / static_cast<float>(c), eps);
  return broadcast_last(reciprocal(sqrt(variance)), c);
}

// d loss / d x of x̂ = (x - mean) · rstd over the last axis: rstd · (g - mean(g) - x̂ · mean(g · x̂)).
Value normalized_gradient(Value normalized, Value rstd, Value grad, bool centred) {
  const int64_t c = grad.dim(-1);
  const float inverse = 1.0f / static_cast<float>(c);
  const Value along = broadcast_last(scale(sum_last(mul(grad, normalized)), inverse), c);
  const Value g = centred ? centre_last(grad) : grad;
  return mul(rstd, sub(g, mul(normalized, along)));
}

// Inputs x, gamma, beta.
class GroupNorm : public Op {
 public:
  GroupNorm(int64_t groups, float eps, bool silu) : groups_(groups), eps_(eps), silu_(silu) {}
  const char* name() const override { return silu_ ? "group_norm_silu" : "group_norm"; }
  int in_place_of() const override { return 0; }
  GroupNormSettings settings() const { return {groups_, eps_, silu_}; }

  TensorType infer(std::span<const TensorType> in) const override {
    const int64_t channels = in[0].shape[-1];
    if (in[0].shape.rank() < 2 || channels % groups_ != 0 || in[1].shape.count() != channels || in[2].shape.count() != channels)
      fail(ErrorCode::InvalidArgument, "group_norm: input {} with {} groups and {} weights", to_string(in[0].shape), groups_,
           in[1].shape.count());
    return in[0];
  }

  size_t scratch_bytes(const Context&, std::span<const TensorType> in, const TensorType&) const override {
    const Layout l = layout(in[0].shape);
    return aligned(static_cast<size_t>(l.blocks * groups_) * sizeof(kernels::NormPartial)) +
           aligned(static_cast<size_t>(2 * groups_ + 2 * l.channels) * sizeof(float));
  }

  void run(const RunArgs& args) const override {
    const auto& kernel = kernels::select_norm(args.context.cpu, args.out.type.dtype);
    const Layout l = layout(args.out.type.shape);
    auto* partial = reinterpret_cast<kernels::NormPartial*>(args.scratch);
    auto* mean = reinterpret_cast<float*>(args.scratch + aligned(static_cast<size_t>(l.blocks * groups_) * sizeof(kernels::NormPartial)));
    float *rstd = mean + groups_, *factor = rstd + groups_, *shift = factor + l.channels;
    for (int64_t n = 0; n < l.images; ++n) {
      const int64_t first = n * l.rows;
      parallel_rows(args.context, l.blocks, kernels::kGroupNormBlockRows * l.channels, [&](int64_t begin, int64_t end) {
        for (int64_t b = begin; b < end; ++b) {
          const int64_t row = b * kernels::kGroupNormBlockRows;
          kernel.group_partial(element_at(args.in[0], (first + row) * l.channels), l.channels,
                               std::min(kernels::kGroupNormBlockRows, l.rows - row), l.channels, groups_, partial + b * groups_);
        }
      });
      kernels::finish_group_norm(partial, l.blocks, groups_, eps_, mean, rstd);
      kernels::fold_group_norm(mean, rstd, args.in[1].as<float>(), args.in[2].as<float>(), l.channels, groups_, factor, shift);
      parallel_rows(args.context, l.rows, l.channels, [&](int64_t begin, int64_t end) {
        const int64_t i = (first + begin) * l.channels;
        kernel.affine(element_at(args.in[0], i), l.channels, element_at(args.out, i), l.channels, end - begin, l.channels, factor,
                      shift, silu_);
      });
    }
  }

  OpCost cost(std::span<const TensorType>, const TensorType& out) const override {
    return {0, 2.0 * static_cast<double>(out.shape.count())};
  }

  Fusion fuse_next(const Op& next, std::span<const TensorType>, std::span<const TensorType>, int) const override {
    if (silu_ || next.name() != std::string_view("silu")) return {};
    return {std::make_shared<GroupNorm>(groups_, eps_, true), {0, 1, 2}};
  }

  // Groups become rows: [N, P, G, C/G] -> [N, G, P·C/G], where the gradient is a layer norm's.
  std::vector<Value> gradient(const GradientArgs& g) const override {
    NIBBLE_CHECK(!silu_, "gradients are recorded before fusion");
    const Layout l = layout(g.in[0].shape());
    const int64_t width = l.channels / groups_;
    const auto grouped = [&](Value v) {
      return reshape(permute(reshape(v, {l.images, l.rows, groups_, width}), {0, 2, 1, 3}), {l.images, groups_, l.rows * width});
    };
    const auto ungrouped = [&](Value v) {
      return reshape(permute(reshape(v, {l.images, groups_, l.rows, width}), {0, 2, 1, 3}), g.in[0].shape());
    };
    const Value centred = centre_last(grouped(g.in[0])), rstd = rstd_last(centred, eps_), normalized = mul(centred, rstd);
    std::vector<Value> out(3);
    if (g.wanted[0]) out[0] = ungrouped(normalized_gradient(normalized, rstd, grouped(mul(g.grad, g.in[1])), true));
    if (g.wanted[1]) out[1] = reshape(sum_rows(mul(g.grad, ungrouped(normalized))), g.in[1].shape());
    if (g.wanted[2]) out[2] = reshape(sum_rows(g.grad), g.in[2].shape());
    return out;
  }

 private:
  struct Layout {
    int64_t images, rows, channels, blocks;
  };
  Layout layout(const Shape& shape) const {
    const int64_t rows = shape.count(1, shape.rank() - 1);
    return {shape[0], rows, shape[-1], kernels::group_norm_blocks(rows)};
  }
  int64_t groups_;
  float eps_;
  bool silu_;
};

enum class RowNorm { Layer, Rms };

// Inputs x, then gamma and beta where the layer has them.
class RowNormOp : public Op {
 public:
  RowNormOp(RowNorm kind, bool gamma, bool beta, float eps) : kind_(kind), gamma_(gamma), beta_(beta), eps_(eps) {}
  const char* name() const override { return kind_ == RowNorm::Layer ? "layer_norm" : "rms_norm"; }
  std::optional<LayerNormSettings> settings() const { return gamma_ && beta_ ? std::optional(LayerNormSettings{eps_}) : std::nullopt; }
  int in_place_of() const override { return 0; }

  TensorType infer(std::span<const TensorType> in) const override {
    for (size_t i = 1; i < in.size(); ++i)
      if (in[i].shape.count() != in[0].shape[-1] || in[i].dtype != DType::F32)
        fail(ErrorCode::InvalidArgument, "{}: input {} with weight {}", name(), to_string(in[0].shape), to_string(in[i].shape));
    return in[0];
  }

  void run(const RunArgs& args) const override {
    const auto& kernel = kernels::select_norm(args.context.cpu, args.out.type.dtype);
    const int64_t columns = args.out.type.shape[-1], rows = args.out.type.shape.count() / columns;
    const float* gamma = gamma_ ? args.in[1].as<float>() : nullptr;
    const float* beta = beta_ ? args.in[2].as<float>() : nullptr;
    parallel_rows(args.context, rows, columns, [&](int64_t begin, int64_t end) {
      const std::byte* x = element_at(args.in[0], begin * columns);
      std::byte* y = element_at(args.out, begin * columns);
      if (kind_ == RowNorm::Layer)
        kernel.layer_norm(x, columns, y, columns, end - begin, columns, gamma, beta, eps_, nullptr, nullptr);
      else
        kernel.rms_norm(x, columns, y, columns, end - begin, columns, gamma, eps_, nullptr);
    });
  }

  std::vector<Value> gradient(const GradientArgs& g) const override {
    const bool centred = kind_ == RowNorm::Layer;
    const Value x = centred ? centre_last(g.in[0]) : g.in[0], rstd = rstd_last(x, eps_), normalized = mul(x, rstd);
    std::vector<Value> out(g.in.size());
    if (g.wanted[0]) out[0] = normalized_gradient(normalized, rstd, gamma_ ? mul(g.grad, g.in[1]) : g.grad, centred);
    if (gamma_ && g.wanted[1]) out[1] = reshape(sum_rows(mul(g.grad, normalized)), g.in[1].shape());
    if (beta_ && g.wanted[2]) out[2] = reshape(sum_rows(g.grad), g.in[2].shape());
    return out;
  }

 private:
  RowNorm kind_;
  bool gamma_, beta_;
  float eps_;
};

Value row_norm(RowNorm kind, Value x, Value gamma, Value beta, float eps) {
  std::vector<Value> inputs{x};
  if (gamma) inputs.push_back(gamma);
  if (beta) inputs.push_back(beta);
  return x.graph().record(std::make_shared<RowNormOp>(kind, static_cast<bool>(gamma), static_cast<bool>(beta), eps), inputs);
}

}  // namespace

Value group_norm(Value x, Value gamma, Value beta, int64_t groups, float eps) {
  return x.graph().record(std::make_shared<GroupNorm>(groups, eps, false), {x, gamma, beta});
}
std::optional<GroupNormSettings> group_norm_settings(const Op& op) {
  if (op.name() != std::string_view("group_norm") && op.name() != std::string_view("group_norm_silu")) return std::nullopt;
  return static_cast<const GroupNorm&>(op).settings();
}
std::optional<LayerNormSettings> layer_norm_settings(const Op& op) {
  if (op.name() != std::string_view("layer_norm")) return std::nullopt;
  return static_cast<const RowNormOp&>(op).settings();
}
Value layer_norm(Value x, Value gamma, Value beta, float eps) { return row_norm(RowNorm::Layer, x, gamma, beta, eps); }
Value rms_norm(Value x, Value gamma, float eps) { return row_norm(RowNorm::Rms, x, gamma, {}, eps); }

}  // namespace nibble::ops
