#include "models/strips.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/check.h"
#include "graph/cost.h"
#include "kernels/norm/norm.h"
#include "ops/memory.h"
#include "ops/norm.h"
#include "ops/parallel.h"

namespace nibble::models {
namespace {

// y = x · factor[c] + shift[c], then SiLU where it follows: a group norm whose statistics are known.
class ChannelAffine : public Op {
 public:
  explicit ChannelAffine(bool silu) : silu_(silu) {}
  const char* name() const override { return silu_ ? "channel_affine_silu" : "channel_affine"; }
  int in_place_of() const override { return 0; }
  TensorType infer(std::span<const TensorType> in) const override { return in[0]; }

  void run(const RunArgs& args) const override {
    const auto& kernel = kernels::select_norm(args.context.cpu, args.out.type.dtype);
    const int64_t channels = args.out.type.shape[-1], rows = args.out.type.shape.count() / channels;
    ops::parallel_rows(args.context, rows, channels, [&](int64_t begin, int64_t end) {
      kernel.affine(ops::element_at(args.in[0], begin * channels), channels, ops::element_at(args.out, begin * channels), channels,
                    end - begin, channels, args.in[1].as<float>(), args.in[2].as<float>(), silu_);
    });
  }

  Fusion fuse_next(const Op& next, std::span<const TensorType>, std::span<const TensorType>, int) const override {
    if (silu_ || next.name() != std::string_view("silu")) return {};
    return {std::make_shared<ChannelAffine>(true), {0, 1, 2}};
  }

 private:
  bool silu_;
};

// A group norm of the part: where its input is, and the inputs that stand for what it makes of the statistics.
struct WholeNorm {
  Value input, factor, shift;
  Tensor gamma, beta;
  ops::GroupNormSettings settings;
  std::unique_ptr<Plan> plan;  // up to `input`; none where that is the part's own input
  int64_t channels() const { return input.dim(3); }
};

// Rows [begin, end) of the part's input whose results a strip makes, from the window of rows that starts at `window`.
struct Strip {
  int64_t begin, end, window;
};

class StripOp : public Op {
 public:
  StripOp(Context& context, const TensorType& x, const StripPart& part, int64_t rows)
      : height_(x.shape[1]), width_(x.shape[2]), scale_(part.scale), reach_(part.reach), rows_(rows) {
    const int64_t window = std::min(height_, rows + 2 * reach_);
    Graph plain;
    const Value result = part.record(plain.input("x", {x.dtype, {1, window, width_, x.shape[3]}}, Rate::Step));
    NIBBLE_CHECK(result.dim(1) == scale_ * window && result.dim(2) == scale_ * width_, "strip of {} rows became {}", window,
                 to_string(result.shape()));
    const Value out = copy_with_given_norms(plain, result.id());
    for (WholeNorm& norm : norms_)
      if (norm.input.id() != x_.id()) norm.plan = std::make_unique<Plan>(context, graph_, std::vector<Value>{norm.input});
    result_ = std::make_unique<Plan>(context, graph_, std::vector<Value>{out});
    type_ = {out.dtype(), {1, scale_ * height_, scale_ * width_, out.dim(3)}};
    in_place_ = type_ == x;
  }

  const char* name() const override { return "strips"; }
  int in_place_of() const override { return in_place_ ? 0 : -1; }
  TensorType infer(std::span<const TensorType>) const override { return type_; }

  size_t scratch_bytes(const Context&, std::span<const TensorType>, const TensorType&) const override {
    return arena_bytes() + ops::aligned(held_bytes()) + partial_bytes() + 3 * factor_bytes() * norms_.size();
  }

  bool add_inner_cost(GraphCost& total) const override {
    const double strips = static_cast<double>(all_strips().size());
    for (const WholeNorm& norm : norms_) {
      if (norm.plan) add_cost(total, graph_cost(*norm.plan, Rate::Model), strips);
      const double elements = static_cast<double>(norm.channels() * pixels(norm));
      total.by_op[name()].element_passes += elements;
      total.element_passes += elements;
    }
    add_cost(total, graph_cost(*result_, Rate::Model), strips);
    return true;
  }

  void run(const RunArgs& args) const override {
    std::byte* after = args.scratch + arena_bytes();
    std::byte* held = after;
    after += ops::aligned(held_bytes());
    auto* partial = reinterpret_cast<kernels::NormPartial*>(after);
    auto* factors = reinterpret_cast<float*>(after + partial_bytes());
    for (size_t k = 0; k < norms_.size(); ++k) {
      if (norms_[k].plan) start(*norms_[k].plan, k, factors, args.scratch);
      for (const Strip& strip : all_strips()) collect(args, norms_[k], strip, partial);
      finish(norms_[k], partial, factors_of(factors, k));
    }
    start(*result_, norms_.size(), factors, args.scratch);
    produce(args, held);
  }

 private:
  Value copy_with_given_norms(const Graph& from, int last) {
    std::vector<Value> values(static_cast<size_t>(from.size()));
    for (int id = 0; id <= last; ++id) {
      const Node& node = from.node(id);
      Value& value = values[static_cast<size_t>(id)];
      std::vector<Value> inputs;
      for (const int input : node.inputs) inputs.push_back(values[static_cast<size_t>(input)]);
      if (node.is_input) {
        value = x_ = graph_.input("x", node.type, Rate::Step);
      } else if (!node.op) {
        value = graph_.constant(node.constant, node.name);
      } else if (const auto settings = ops::group_norm_settings(*node.op)) {
        const TensorType vector{DType::F32, {inputs[0].dim(3)}};
        norms_.push_back({inputs[0], graph_.input("factor", vector, Rate::Model), graph_.input("shift", vector, Rate::Model),
                          from.node(node.inputs[1]).constant, from.node(node.inputs[2]).constant, *settings, nullptr});
        value = graph_.record(std::make_shared<ChannelAffine>(false), {inputs[0], norms_.back().factor, norms_.back().shift});
      } else {
        value = graph_.record(node.op, inputs);
      }
    }
    return values[static_cast<size_t>(last)];
  }

  std::vector<Strip> all_strips() const {
    const int64_t window = x_.dim(1);
    std::vector<Strip> strips;
    for (int64_t begin = 0; begin < height_; begin += rows_)
      strips.push_back({begin, std::min(begin + rows_, height_), std::clamp<int64_t>(begin - reach_, 0, height_ - window)});
    return strips;
  }

  int64_t pixels_per_row(const WholeNorm& norm) const {  // of the norm's input, for a row of the part's input
    return norm.input.dim(1) / x_.dim(1) * norm.input.dim(2);
  }
  int64_t pixels(const WholeNorm& norm) const { return height_ * pixels_per_row(norm); }

  size_t arena_bytes() const {
    size_t bytes = result_->arena_bytes();
    for (const WholeNorm& norm : norms_)
      if (norm.plan) bytes = std::max(bytes, norm.plan->arena_bytes());
    return ops::aligned(bytes);
  }
  size_t row_bytes(const TensorType& type) const { return static_cast<size_t>(type.shape[2] * type.shape[3]) * bytes_of(type.dtype); }
  size_t held_bytes() const { return in_place_ ? static_cast<size_t>(reach_) * row_bytes(type_) : 0; }
  size_t partial_bytes() const {
    int64_t most = 0;
    for (const WholeNorm& norm : norms_) most = std::max(most, kernels::group_norm_blocks(pixels(norm)) * norm.settings.groups);
    return ops::aligned(static_cast<size_t>(most) * sizeof(kernels::NormPartial));
  }
  // One vector of the widest norm. A norm has three: its factor, its shift, and one for mean and rstd.
  size_t factor_bytes() const {
    int64_t most = 0;
    for (const WholeNorm& norm : norms_) most = std::max({most, norm.channels(), 2 * norm.settings.groups});
    return ops::aligned(static_cast<size_t>(most) * sizeof(float));
  }

  struct Factors {
    float *factor, *shift, *moments;
  };
  Factors factors_of(float* all, size_t k) const {
    const size_t size = factor_bytes() / sizeof(float);
    return {all + 3 * k * size, all + (3 * k + 1) * size, all + (3 * k + 2) * size};
  }

  // Binds what the first `known` norms found.
  void start(Plan& plan, size_t known, float* factors, std::byte* memory) const {
    plan.reserve_in(memory);
    for (size_t k = 0; k < known; ++k) {
      const size_t bytes = static_cast<size_t>(norms_[k].channels()) * sizeof(float);
      plan.bind(norms_[k].factor, factors_of(factors, k).factor, bytes);
      plan.bind(norms_[k].shift, factors_of(factors, k).shift, bytes);
    }
  }

  void bind_window(const RunArgs& args, Plan& plan, const Strip& strip) const {
    const size_t row = row_bytes(args.in[0].type);
    plan.bind(x_, args.in[0].as<std::byte>() + static_cast<size_t>(strip.window) * row, static_cast<size_t>(x_.dim(1)) * row);
  }

  void collect(const RunArgs& args, const WholeNorm& norm, const Strip& strip, kernels::NormPartial* partial) const {
    TensorRef value = args.in[0];
    int64_t first_row = 0;  // of `value`, in rows of the part's input
    if (norm.plan) {
      bind_window(args, *norm.plan, strip);
      norm.plan->run();
      value = norm.plan->output(0);
      first_row = strip.window;
    }
    const auto& kernel = kernels::select_norm(args.context.cpu, value.type.dtype);
    const int64_t per_row = pixels_per_row(norm), channels = norm.channels(), block = kernels::kGroupNormBlockRows;
    const int64_t begin = strip.begin * per_row, end = strip.end * per_row, first_block = begin / block;
    ops::parallel_rows(args.context, kernels::group_norm_blocks(end - begin), block * channels, [&](int64_t from, int64_t to) {
      for (int64_t b = from; b < to; ++b) {
        const int64_t pixel = begin + b * block;
        kernel.group_partial(ops::element_at(value, (pixel - first_row * per_row) * channels), channels, std::min(block, end - pixel),
                             channels, norm.settings.groups, partial + (first_block + b) * norm.settings.groups);
      }
    });
  }

  void finish(const WholeNorm& norm, const kernels::NormPartial* partial, const Factors& to) const {
    const int64_t groups = norm.settings.groups;
    kernels::finish_group_norm(partial, kernels::group_norm_blocks(pixels(norm)), groups, norm.settings.eps, to.moments, to.moments + groups);
    kernels::fold_group_norm(to.moments, to.moments + groups, norm.gamma.values<float>().data(), norm.beta.values<float>().data(),
                             norm.channels(), groups, to.factor, to.shift);
  }

  // In place, a strip's last rows are held back until the next strip, which still reads what they replace, has its window.
  void produce(const RunArgs& args, std::byte* held) const {
    const size_t row = row_bytes(type_);
    auto* out = args.out.as<std::byte>();
    const bool hold = args.out.data == args.in[0].data;
    size_t held_at = 0, held_size = 0;
    for (const Strip& strip : all_strips()) {
      bind_window(args, *result_, strip);
      if (held_size > 0) std::memcpy(out + held_at, held, held_size);
      result_->run();
      const auto* made = result_->output(0).as<std::byte>() + static_cast<size_t>((strip.begin - strip.window) * scale_) * row;
      const size_t size = static_cast<size_t>((strip.end - strip.begin) * scale_) * row, at = static_cast<size_t>(strip.begin * scale_) * row;
      held_size = hold && strip.end < height_ ? held_bytes() : 0;
      held_at = at + size - held_size;
      std::memcpy(out + at, made, size - held_size);
      if (held_size > 0) std::memcpy(held, made + size - held_size, held_size);
    }
  }

  int64_t height_, width_, scale_, reach_, rows_;
  Graph graph_;
  Value x_;
  std::vector<WholeNorm> norms_;
  std::unique_ptr<Plan> result_;
  TensorType type_;
  bool in_place_ = false;
};

// Rows of the part's input in a strip: whole blocks of group norm's sums, and no less than the reach.
int64_t strip_rows(const Shape& x, const StripPart& part, int64_t count) {
  const int64_t step = kernels::kGroupNormBlockRows / std::gcd(kernels::kGroupNormBlockRows, x[2]);
  const int64_t rows = std::max({(x[1] + count - 1) / count, part.reach, int64_t{1}});
  return (rows + step - 1) / step * step;
}

}  // namespace

Value in_strips(Value x, const StripPart& part, const Strips& strips) {
  if (strips.count <= 1) return part.record(x);
  NIBBLE_CHECK(strips.context != nullptr && x.shape().rank() == 4 && x.dim(0) == 1, "strips of {}", to_string(x.shape()));
  const int64_t rows = strip_rows(x.shape(), part, strips.count);
  if (rows + 2 * part.reach >= x.dim(1)) return part.record(x);
  return x.graph().record(std::make_shared<StripOp>(*strips.context, x.type(), part, rows), {x});
}

}  // namespace nibble::models
