#include "ops/attention.h"

#include <cmath>

#include "base/check.h"
#include "kernels/attention/attention.h"
#include "kernels/softmax/softmax.h"
#include "ops/basic.h"
#include "ops/linear.h"
#include "ops/memory.h"
#include "ops/parallel.h"

namespace nibble::ops {
namespace {

class Softmax : public Op {
 public:
  const char* name() const override { return "softmax"; }
  int in_place_of() const override { return 0; }
  TensorType infer(std::span<const TensorType> in) const override { return in[0]; }
  void run(const RunArgs& args) const override {
    const int64_t columns = args.out.type.shape[-1], rows = args.out.type.shape.count() / columns;
    kernels::SoftmaxArgs a{args.in[0].data, columns, args.out.data, columns, columns};
    const auto& kernel = kernels::select_softmax(args.context.cpu, args.out.type.dtype);
    parallel_rows(args.context, rows, columns, [&](int64_t begin, int64_t end) { kernel.run(a, begin, end); });
  }
  OpCost cost(std::span<const TensorType>, const TensorType& out) const override {
    return {0, 3.0 * static_cast<double>(out.shape.count())};
  }
  std::vector<Value> gradient(const GradientArgs& g) const override {
    const Value along = sum_last(mul(g.grad, g.out));
    return {mul(g.out, sub(g.grad, broadcast_last(along, g.out.dim(-1))))};
  }
};

// Inputs q, k, v and, where the op has one, a bias.
class Attention : public Op {
 public:
  explicit Attention(const AttentionOptions& options) : options_(options) {}
  const char* name() const override { return "attention"; }

  std::shared_ptr<const Op> in_form(AttentionForm form) const {
    AttentionOptions options = options_;
    options.form = form;
    return std::make_shared<Attention>(options);
  }

  TensorType infer(std::span<const TensorType> in) const override {
    const Shape &q = in[0].shape, &k = in[1].shape, &v = in[2].shape;
    const bool fits = q.rank() == 3 && k == v && k.rank() == 3 && q[0] == k[0] && q[2] == k[2] && q[2] % options_.heads == 0 &&
                      q[2] / options_.heads <= kernels::kMaxHeadDim;
    if (!fits)
      fail(ErrorCode::InvalidArgument, "attention: q {}, k {}, v {} with {} heads (head dimension at most {})", to_string(q),
           to_string(k), to_string(v), options_.heads, kernels::kMaxHeadDim);
    return in[0];
  }

  size_t scratch_bytes(const Context& context, std::span<const TensorType> in, const TensorType&) const override {
    const auto& kernel = kernels::select_attention(context.cpu, in[0].dtype, options_.form);
    return share(kernel, in[1].shape[1], in[0].shape[2] / options_.heads) * static_cast<size_t>(context.threads.size());
  }

  void run(const RunArgs& args) const override {
    const Shape &q = args.in[0].type.shape, &k = args.in[1].type.shape;
    const int64_t width = q[2], d = width / options_.heads, lq = q[1], lk = k[1];
    const auto& kernel = kernels::select_attention(args.context.cpu, args.out.type.dtype, options_.form);
    const size_t scratch = share(kernel, lk, d);
    kernels::AttentionArgs a{};
    a.q_stride = a.k_stride = a.v_stride = a.out_stride = width;
    a.lq = lq, a.lk = lk, a.d = d, a.scale = options_.scale, a.causal = options_.causal;
    // Items are (image, head, row block); a thread's items are neighbours, so it packs few heads' keys.
    const int64_t block = std::min(lq, std::max<int64_t>(kernel.row_block(d), 64));
    const int64_t blocks = (lq + block - 1) / block, items = q[0] * options_.heads * blocks;
    args.context.threads.run(items, 1, [&](int64_t begin, int64_t end, int thread) {
      for (int64_t item = begin; item < end;) {
        const int64_t head = item / blocks % options_.heads, image = item / blocks / options_.heads;
        const int64_t last = std::min(end, (item / blocks + 1) * blocks);
        kernels::AttentionArgs part = a;
        part.q = element_at(args.in[0], image * lq * width);
        part.k = element_at(args.in[1], image * lk * width);
        part.v = element_at(args.in[2], image * lk * width);
        part.out = element_at(args.out, image * lq * width);
        if (args.in.size() > 3) set_bias(args.in[3], image, part);
        kernel.run(part, head, item % blocks * block, std::min(lq, ((last - 1) % blocks + 1) * block),
                   args.scratch + scratch * static_cast<size_t>(thread));
        item = last;
      }
    });
  }

  OpCost cost(std::span<const TensorType> in, const TensorType&) const override {
    return {4.0 * static_cast<double>(in[0].shape.count()) * static_cast<double>(in[1].shape[1]), 0};
  }

  // Through the plain form: softmax(q k^T · scale + bias) v.
  std::vector<Value> gradient(const GradientArgs& g) const override {
    const Value q = heads_first(g.in[0]), k = heads_first(g.in[1]), v = heads_first(g.in[2]);
    Value scores = scale(matmul(q, k), options_.scale);
    if (g.in.size() > 3 || options_.causal) return Op::gradient(g);
    const Value p = softmax(scores), dy = heads_first(g.grad);
    const Value dp = matmul(dy, v);
    const Value ds = scale(mul(p, sub(dp, broadcast_last(sum_last(mul(dp, p)), p.dim(-1)))), options_.scale);
    std::vector<Value> out(3);
    if (g.wanted[0]) out[0] = heads_last(matmul(ds, k, true), g.in[0].shape());
    if (g.wanted[1]) out[1] = heads_last(matmul(transpose_last(ds), q, true), g.in[1].shape());
    if (g.wanted[2]) out[2] = heads_last(matmul(transpose_last(p), dy, true), g.in[2].shape());
    return out;
  }

 private:
  // Scratch of one thread.
  static size_t share(const kernels::AttentionKernel& kernel, int64_t lk, int64_t d) {
    return aligned(kernel.scratch_bytes(lk, d));
  }

  static void set_bias(const TensorRef& bias, int64_t image, kernels::AttentionArgs& args) {
    const Shape& s = bias.type.shape;  // [N|1, heads|1, Lq|1, Lk]
    NIBBLE_CHECK(s.rank() == 4 && bias.type.dtype == DType::F32 && s[3] == args.lk, "attention bias {}", to_string(s));
    args.bias = bias.as<float>() + (s[0] > 1 ? image * s.count(1, 4) : 0);
    args.bias_head_stride = s[1] > 1 ? s.count(2, 4) : 0;
    args.bias_row_stride = s[2] > 1 ? s[3] : 0;
  }

  Value heads_first(Value x) const {  // [N, L, h·d] -> [N, h, L, d]
    return permute(reshape(x, {x.dim(0), x.dim(1), options_.heads, x.dim(2) / options_.heads}), {0, 2, 1, 3});
  }
  Value heads_last(Value x, const Shape& shape) const { return reshape(permute(x, {0, 2, 1, 3}), shape); }

  AttentionOptions options_;
};

}  // namespace

Value softmax(Value x) { return x.graph().record(std::make_shared<Softmax>(), {x}); }

Value attention(Value q, Value k, Value v, const AttentionOptions& wanted, Value bias) {
  AttentionOptions options = wanted;
  if (options.scale == 0) options.scale = 1.0f / std::sqrt(static_cast<float>(q.dim(2) / options.heads));
  std::vector<Value> inputs{q, k, v};
  if (bias) inputs.push_back(bias);
  return q.graph().record(std::make_shared<Attention>(options), inputs);
}

std::shared_ptr<const Op> attention_in_form(const Op& op, AttentionForm form) {
  if (op.name() != std::string_view("attention")) return nullptr;
  return static_cast<const Attention&>(op).in_form(form);
}

}  // namespace nibble::ops
