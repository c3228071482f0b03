#include "ops/quantized.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/qgemm/qgemm.h"
#include "kernels/qgemm_grouped/qgemm_grouped.h"
#include "ops/gemm_run.h"
#include "ops/memory.h"
#include "ops/parallel.h"
#include "ops/quantize_input.h"

namespace nibble::ops {
namespace {

// What the op knows besides its inputs.
struct Layer {
  QuantShape shape;
  int64_t kernel_h, kernel_w;
  ActivationKind activation;
  float shift;
  int64_t rank;
  bool conv, input_scale, bias, residual;
  Conv2dOptions options;
  TensorType out = {};  // linear layers only
  bool gated = false;   // geglu over the result: values, then gates
  int64_t upsample = 1;
  std::optional<GroupNormSettings> norm = {};  // of a convolution's input, with gamma and beta as two more inputs

  bool int4() const { return shape.kind == WeightKind::Int4; }
  int64_t columns() const { return gated ? shape.n / 2 : shape.n; }
  // A linear layer reads what quantize_input made; a convolution, whose taps read rows of zeros too, makes it itself.
  bool prepared() const { return !conv && activation != ActivationKind::Float; }
  // Places of the inputs: x or the prepared rows, codes, scales, then those that exist.
  int ratios_at() const { return 3; }
  int input_scale_at() const { return 3 + int4(); }
  // A linear layer of floats has h there.
  int down_at() const { return input_scale_at() + (input_scale && !prepared()); }
  int up_at() const { return down_at() + (rank > 0 && !prepared()); }
  int bias_at() const { return up_at() + (rank > 0); }
  int gamma_at() const { return bias_at() + bias; }
  int residual_at() const { return gamma_at() + (norm ? 2 : 0); }
};

constexpr const char* kNames[2][3] = {{"linear_w16", "linear_int8", "linear_int4"},
                                      {"conv2d_w16", "conv2d_int8", "conv2d_int4"}};

// Rows in and out of one run. Images share a scale (convolutions) or statistics (norms); other rows are one image.
struct Extent {
  int64_t rows, images, m;
  bool pointwise;  // output rows are input rows
};

Extent extent_of(const Layer& l, const TensorType& x, const TensorType& y) {
  const int64_t m = y.shape.count() / l.columns();
  if (!l.conv) return {m, 1, m, true};
  const int64_t rows = l.shape.k == 0 ? 0 : x.shape.count() / l.shape.k;
  return {rows, x.shape[0], m, l.shape.taps == 1 && l.options.stride == 1 && l.upsample == 1 && m == rows};
}

// The pass over the input. Taps read other rows' h, so that the branch of a larger kernel is a convolution of its own.
InputForm form_of(const Layer& l, bool pointwise) {
  return {l.shape.k,     l.activation, l.shift, pointwise ? l.rank : 0, l.conv && l.activation == ActivationKind::Int8,
          l.input_scale, l.norm};
}

// Places in the scratch memory; offsets in bytes.
struct Places {
  size_t rows, pad, pad_scales, pad_sums, h, h_raw, normed, pass, panels, threads, total;
};

constexpr int64_t kPanelsAtOnce = 4;  // of sixteen channels, expanded to floats per thread

size_t thread_scratch(const Context& context, const Layer& l, const Extent& e, DType dtype) {
  if (l.activation == ActivationKind::Int8)
    return kernels::qgemm_scratch_bytes(kernels::select_qgemm(context.cpu, dtype), l.shape, l.gated, e.rows);
  if (l.activation == ActivationKind::Int4)
    return kernels::qgemm_grouped_scratch_bytes(kernels::select_qgemm_grouped(context.cpu, dtype), l.shape, l.gated, e.rows);
  // Not monotone in k: fewer bytes a panel are more panels a block.
  const kernels::GemmKernel& kernel = kernels::select_gemm(context.cpu, dtype);
  const size_t product = kernels::gemm_scratch_bytes(kernel, l.shape.taps, l.shape.k);
  return l.rank > 0 ? std::max(product, kernels::gemm_scratch_bytes(kernel, 1, l.rank)) : product;
}

Places places_of(const Context& context, const Layer& l, const Extent& e, DType dtype) {
  Places p{};
  const auto take = [&p](size_t bytes) {
    const size_t at = p.total;
    p.total += aligned(bytes);
    return at;
  };
  const bool integer = l.activation != ActivationKind::Float, passes = l.conv && integer, branch = l.conv && l.rank > 0;
  const InputForm form = form_of(l, e.pointwise);
  const InputExtent extent{e.rows, e.images, dtype};
  const size_t threads = static_cast<size_t>(context.threads.size()), products = static_cast<size_t>(e.m * l.rank);
  p.rows = take(passes ? input_places(form, extent).total : 0);
  p.pad = take(passes ? static_cast<size_t>(form.padded_k()) : 0);
  p.pad_scales = take(passes ? static_cast<size_t>(form.scales_per_row()) * sizeof(float) : 0);
  p.pad_sums = take(passes ? static_cast<size_t>(form.sums_per_row()) * sizeof(int32_t) : 0);
  p.h = take(branch ? products * sizeof(float) : 0);
  p.h_raw = take(branch && dtype != DType::F32 ? products * bytes_of(dtype) : 0);
  p.normed = take(l.norm && branch && !e.pointwise ? static_cast<size_t>(e.rows * l.shape.k) * bytes_of(dtype) : 0);
  p.pass = take(passes ? input_pass_scratch(context, form, extent) : 0);
  const size_t panel = static_cast<size_t>(kPanelsAtOnce * kPanelChannels * l.shape.taps * l.shape.k) * sizeof(float);
  p.panels = take(integer ? 0 : threads * aligned(panel));
  // The branch's own product shares the threads' scratch.
  const size_t down =
      branch ? kernels::gemm_scratch_bytes(kernels::select_gemm(context.cpu, dtype), l.shape.taps, l.shape.k) : 0;
  p.threads = take(threads * std::max(aligned(thread_scratch(context, l, e, dtype)), aligned(down)));
  return p;
}

// One run of the op.
class Run {
 public:
  Run(const Layer& layer, const RunArgs& args)
      : l_(layer),
        args_(args),
        context_(args.context),
        dtype_(args.out.type.dtype),
        e_(extent_of(layer, args.in[0].type, args.out.type)),
        form_(form_of(layer, e_.pointwise)),
        at_(places_of(args.context, layer, e_, dtype_)) {
    if (l_.conv) {
      const Shape &x = args.in[0].type.shape, &y = args.out.type.shape;
      const Conv2dOptions& o = l_.options;
      geometry_ = {x[1], x[2], y[1], y[2], l_.kernel_h, l_.kernel_w, o.stride, o.pad_top, o.pad_left, l_.upsample};
      rows_ = input_places(form_, {e_.rows, e_.images, dtype_}).in(args.scratch + at_.rows);
    } else {
      rows_ = input_places(form_, {e_.rows, e_.images, dtype_})
                  .in(l_.prepared() ? in(0).data
                      : l_.rank > 0 ? in(l_.down_at()).data
                                    : nullptr);
    }
  }

  void all() {
    if (e_.m == 0) return;
    if (l_.conv && l_.activation != ActivationKind::Float) quantize();
    if (l_.conv && l_.rank > 0 && !(e_.pointwise && l_.activation != ActivationKind::Float)) branch();
    if (l_.activation == ActivationKind::Int8) return int8();
    if (l_.activation == ActivationKind::Int4) return int4();
    expanded();
  }

 private:
  template <typename T>
  T* place(size_t offset) const {
    return reinterpret_cast<T*>(args_.scratch + offset);
  }
  const TensorRef& in(int i) const { return args_.in[static_cast<size_t>(i)]; }
  const kernels::ConvGeometry* conv() const { return e_.pointwise ? nullptr : &geometry_; }
  const float* input_scale() const { return l_.input_scale ? in(l_.input_scale_at()).as<float>() : nullptr; }
  const float* bias() const { return l_.bias ? in(l_.bias_at()).as<float>() : nullptr; }
  const void* residual() const { return l_.residual ? in(l_.residual_at()).data : nullptr; }
  const BFloat16* up() const { return l_.rank > 0 ? in(l_.up_at()).as<BFloat16>() : nullptr; }
  size_t share() const { return (at_.total - at_.threads) / static_cast<size_t>(context_.threads.size()) / 64 * 64; }
  std::byte* own_scratch(int thread) const {
    return args_.scratch + at_.threads + share() * static_cast<size_t>(thread);
  }

  QuantWeightView weight() const {
    return {l_.shape, in(1).as<uint8_t>(), in(2).as<float>(), l_.int4() ? in(l_.ratios_at()).as<int16_t>() : nullptr};
  }

  // h = down · x of a convolution, [m, rank].
  void branch() {
    kernels::GemmProblem p{};
    p.m = e_.m, p.n = l_.rank, p.k = l_.shape.k, p.taps = l_.shape.taps;
    p.a = l_.norm ? place<void>(at_.normed) : in(0).data;
    p.a_stride = l_.shape.k, p.conv = conv();
    p.weight = {in(l_.down_at()).data, in(l_.down_at()).type.dtype, p.k * p.taps, 1, p.taps};
    const bool widened = branch_dtype(context_, l_.activation, dtype_) != dtype_;
    p.c = widened ? place<void>(at_.h_raw) : place<void>(at_.h);
    p.c_stride = l_.rank;
    run_gemm_threaded(context_, dtype_, p, args_.scratch + at_.threads);
    rows_.h = place<void>(at_.h);
    if (!widened) return;
    parallel_rows(context_, e_.m, l_.rank, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * l_.rank; i < end * l_.rank; ++i) place<float>(at_.h)[i] = to_float(place<BFloat16>(at_.h_raw)[i]);
    });
  }

  // Codes, scales and sums of a convolution's input, and h where it is pointwise.
  void quantize() {
    const TensorRef none{};
    const TensorRef& down = l_.rank > 0 ? in(l_.down_at()) : none;
    const auto floats = [this](int at) { return l_.norm ? in(at).as<const float>() : nullptr; };
    if (l_.norm && l_.rank > 0 && !e_.pointwise) rows_.normed = place<void>(at_.normed);
    run_input_pass(
        context_, form_, {e_.rows, e_.images, dtype_},
        {in(0).data, input_scale(), floats(l_.gamma_at()), floats(l_.gamma_at() + 1), down.data, down.type.dtype},
        rows_, args_.scratch + at_.pass);
    if (l_.activation == ActivationKind::Int4) quantize_padding();
    // A pointwise convolution runs as rows, each with its image's scale.
    if (l_.activation == ActivationKind::Int8 && e_.pointwise)
      for (int64_t r = e_.rows; r-- > 0;) rows_.scales[r] = rows_.scales[r / (e_.rows / e_.images)];
  }

  // The row of zeros that taps outside the image read.
  void quantize_padding() const {
    const std::vector<float> zeros(static_cast<size_t>(form_.k), 0.0f);
    kernels::select_quantize(context_.cpu, DType::F32)
        .int4_groups(zeros.data(), 1, form_.k, form_.padded_k(), input_scale(), form_.shift, place<int8_t>(at_.pad),
                     place<float>(at_.pad_scales), place<int32_t>(at_.pad_sums));
  }

  void int8() {
    const kernels::QGemmKernel& kernel = kernels::select_qgemm(context_.cpu, dtype_);
    kernels::QGemmProblem p{};
    fill(p);
    split(kernels::qgemm_row_tile(kernel), kernels::qgemm_column_tile(kernel),
          [&](int64_t m0, int64_t m1, int64_t n0, int64_t n1, int thread) {
            run_qgemm(kernel, p, m0, m1, n0, n1, own_scratch(thread));
          });
  }

  void int4() {
    const kernels::QGemmGroupedKernel& kernel = kernels::select_qgemm_grouped(context_.cpu, dtype_);
    kernels::QGemmGroupedProblem p{};
    fill(p);
    p.pad_codes = place<int8_t>(at_.pad), p.pad_scales = place<float>(at_.pad_scales),
    p.pad_sums = place<int32_t>(at_.pad_sums);
    split(kernels::qgemm_grouped_row_tile(kernel), kernels::qgemm_grouped_column_tile(kernel),
          [&](int64_t m0, int64_t m1, int64_t n0, int64_t n1, int thread) {
            run_qgemm_grouped(kernel, p, m0, m1, n0, n1, own_scratch(thread));
          });
  }

  template <typename Problem>
  void fill(Problem& p) const {
    p.m = e_.m;
    p.a = rows_.codes, p.a_stride = l_.shape.padded_k();
    p.a_scales = rows_.scales;
    p.sums = rows_.sums;
    p.conv = conv();
    p.weight = weight();
    p.bias = bias();
    p.residual = residual(), p.residual_stride = l_.columns();
    p.c = args_.out.data, p.c_stride = l_.columns();
    p.rank = l_.rank, p.up = up();
    p.h = static_cast<decltype(p.h)>(rows_.h);
    if (l_.gated) p.gate = &kernels::select_eltwise(context_.cpu, dtype_);
  }

  // Few rows: split the columns, so that every weight is expanded by one thread only.
  template <typename Body>
  void split(int row_tile, int column_tile, const Body& body) {
    constexpr int64_t kFewRows = 512;
    const int threads = context_.threads.size();
    const int64_t columns = l_.columns();
    if (e_.m < kFewRows && columns >= int64_t{threads} * column_tile)
      context_.threads.run(columns, column_tile,
                           [&](int64_t begin, int64_t end, int thread) { body(0, e_.m, begin, end, thread); });
    else
      context_.threads.run(e_.m, row_tile,
                           [&](int64_t begin, int64_t end, int thread) { body(begin, end, 0, columns, thread); });
  }

  // Weights expanded to floats, a few panels at a time, input scale folded in.
  void expanded() {
    const int64_t row = l_.shape.taps * l_.shape.k, share = l_.shape.panels() / context_.threads.size();
    const int64_t step = std::clamp<int64_t>(share, 1, kPanelsAtOnce) * kPanelChannels;
    const size_t panel_bytes = aligned(static_cast<size_t>(step * row) * sizeof(float));
    const kernels::GemmKernel& kernel = kernels::select_gemm(context_.cpu, dtype_);
    context_.threads.run(l_.shape.n, step, [&](int64_t begin, int64_t end, int thread) {
      float* panel = reinterpret_cast<float*>(args_.scratch + at_.panels + panel_bytes * static_cast<size_t>(thread));
      for (int64_t n = begin; n < end; n += step) {
        const int64_t count = std::min(step, end - n);
        for (int64_t j = 0; j < count; j += kPanelChannels)
          expand_panel(weight(), (n + j) / kPanelChannels, Executed::Exact, panel + j * row);
        if (const float* scale = input_scale())
          for (int64_t i = 0; i < count * row; ++i) panel[i] *= scale[i % l_.shape.k];
        kernels::GemmProblem p{};
        p.m = e_.m, p.n = count, p.k = l_.shape.k, p.taps = l_.shape.taps;
        p.a = in(0).data, p.a_stride = l_.shape.k, p.conv = conv();
        p.weight = {panel, DType::F32, row, l_.shape.k, 1};
        p.bias = bias() == nullptr ? nullptr : bias() + n;
        p.residual = residual() == nullptr ? nullptr : element_at(in(l_.residual_at()), n);
        p.residual_stride = p.c_stride = l_.shape.n;
        p.c = element_at(args_.out, n);
        kernels::run_gemm(kernel, p, 0, e_.m, 0, count, own_scratch(thread));
        if (l_.rank > 0) add_branch(kernel, n, count, thread);
      }
    });
  }

  void add_branch(const kernels::GemmKernel& kernel, int64_t n, int64_t count, int thread) {
    for (int64_t j = 0; j < count; j += kPanelChannels) {
      kernels::GemmProblem p{};
      p.m = e_.m, p.n = std::min(kPanelChannels, count - j), p.k = l_.rank, p.taps = 1;
      p.a = rows_.h;
      p.a_stride = l_.rank;
      p.weight = {up() + (n + j) * l_.rank, DType::BF16, 1, 0, kPanelChannels};
      p.c = element_at(args_.out, n + j);
      p.residual = p.c;
      p.residual_stride = p.c_stride = l_.shape.n;
      kernels::run_gemm(kernel, p, 0, e_.m, 0, p.n, own_scratch(thread));
    }
  }

  const Layer& l_;
  const RunArgs& args_;
  Context& context_;
  DType dtype_;
  Extent e_;
  InputForm form_;
  Places at_;
  InputRows rows_{};
  kernels::ConvGeometry geometry_{};
};

class Quantized : public Op {
 public:
  explicit Quantized(const Layer& layer) : l_(layer) {}

  const char* name() const override { return kNames[l_.conv][static_cast<int>(l_.activation)]; }
  int in_place_of() const override { return l_.residual ? l_.residual_at() : -1; }

  TensorType infer(std::span<const TensorType> in) const override {
    if (!l_.conv) return l_.out;
    const Shape& x = in[0].shape;
    Shape y = x;
    y[-1] = l_.shape.n;
    const int64_t h = x[1] * l_.upsample + l_.options.pad_top + l_.options.pad_bottom - l_.kernel_h;
    const int64_t w = x[2] * l_.upsample + l_.options.pad_left + l_.options.pad_right - l_.kernel_w;
    if (h < 0 || w < 0)
      fail(ErrorCode::InvalidArgument, "{}: input {} is smaller than the kernel", name(), to_string(x));
    y[1] = h / l_.options.stride + 1, y[2] = w / l_.options.stride + 1;
    return {in[0].dtype, y};
  }

  size_t scratch_bytes(const Context& context, std::span<const TensorType> in, const TensorType& out) const override {
    return places_of(context, l_, extent_of(l_, in[0], out), out.dtype).total;
  }

  void run(const RunArgs& args) const override { Run(l_, args).all(); }

  OpCost cost(std::span<const TensorType> in, const TensorType& out) const override {
    const double rows = static_cast<double>(out.shape.count()) / static_cast<double>(l_.columns());
    const double weights =
        static_cast<double>(l_.shape.taps * l_.shape.k) * static_cast<double>(l_.shape.n + (l_.conv ? l_.rank : 0));
    return {2 * rows * (weights + static_cast<double>(l_.rank * l_.shape.n)),
            (l_.norm ? 2.0 * static_cast<double>(in[0].shape.count()) : 0) +
                (l_.gated ? static_cast<double>(out.shape.count()) : 0)};
  }

  Fusion fuse_next(const Op& next, std::span<const TensorType> in, std::span<const TensorType> next_in,
                   int position) const override {
    if (l_.residual || l_.gated) return {};
    Layer fused = l_;
    std::vector<int> inputs;
    for (int i = 0; i < static_cast<int>(in.size()); ++i) inputs.push_back(i);
    if (next.name() == std::string_view("geglu") && l_.prepared() && l_.shape.n % (2 * kPanelChannels) == 0) {
      fused.gated = true;
      return {std::make_shared<Quantized>(fused), inputs};
    }
    if (next.name() != std::string_view("add") || !(next_in[0] == next_in[1])) return {};
    fused.residual = true;
    inputs.push_back(-1 - (1 - position));
    return {std::make_shared<Quantized>(fused), inputs};
  }

  Fusion fuse_previous(const Op& previous, std::span<const TensorType> in, int position) const override {
    if (position != 0 || !l_.conv) return {};
    Layer fused = l_;
    std::vector<int> inputs{-1};
    for (int i = 1; i < static_cast<int>(in.size()); ++i) inputs.push_back(i);
    if (l_.upsample == 1 && !l_.norm && previous.name() == std::string_view("upsample_nearest_2x")) {
      fused.upsample = 2;
      return {std::make_shared<Quantized>(fused), inputs};
    }
    if (l_.activation == ActivationKind::Float || l_.norm) return {};
    fused.norm = group_norm_settings(previous);
    if (!fused.norm) return {};
    inputs.insert(inputs.begin() + l_.gamma_at(), {-2, -3});
    return {std::make_shared<Quantized>(fused), inputs};
  }

 private:
  Layer l_;
};

Value record(Value x, const QuantizedWeight& w, bool conv, const Conv2dOptions& options) {
  Layer layer{w.shape,
              w.kernel_h,
              w.kernel_w,
              w.activation,
              w.shift,
              w.rank,
              conv,
              static_cast<bool>(w.input_scale),
              static_cast<bool>(w.bias),
              false,
              options};
  NIBBLE_CHECK(w.shape.taps == w.kernel_h * w.kernel_w && (w.rank > 0) == static_cast<bool>(w.down) &&
                   layer.int4() == static_cast<bool>(w.ratios),
               "quantized weight {} x {} x {}", w.shape.n, w.shape.taps, w.shape.k);
  if (x.shape().rank() < 1 || x.dim(-1) != w.shape.k || (conv && x.shape().rank() != 4))
    fail(ErrorCode::InvalidArgument, "{}: input {} does not fit a weight of {} inputs", Quantized(layer).name(),
         to_string(x.shape()), w.shape.k);
  layer.out = x.type();
  layer.out.shape[-1] = w.shape.n;
  // A layer of floats reads x itself and shares only h.
  Value input = x, input_scale = w.input_scale, down = w.down;
  if (layer.prepared()) {
    input = quantize_input(x, form_of(layer, true), input_scale, down);
    input_scale = down = {};
  } else if (!conv && w.rank > 0) {
    down = quantize_input(x, {.k = w.shape.k, .activation = ActivationKind::Float, .rank = w.rank}, {}, down);
  }
  std::vector<Value> inputs{input, w.codes, w.scales};
  for (const Value& v : {w.ratios, input_scale, down, w.up, w.bias})
    if (v) inputs.push_back(v);
  return x.graph().record(std::make_shared<Quantized>(layer), inputs);
}

}  // namespace

Value quantized_linear(Value x, const QuantizedWeight& weight) { return record(x, weight, false, {}); }
Value quantized_conv2d(Value x, const QuantizedWeight& weight, const Conv2dOptions& options) {
  return record(x, weight, true, options);
}

}  // namespace nibble::ops
