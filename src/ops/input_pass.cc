#include "ops/input_pass.h"

#include <algorithm>

#include "kernels/gemm/packed_rows.h"
#include "kernels/norm/norm.h"
#include "kernels/qgemm/qgemm.h"
#include "ops/memory.h"
#include "ops/normed_input.h"

namespace nibble::ops {
namespace {

NormedInput::Layout norm_layout(const InputForm& f, const InputExtent& e) {
  return {e.images, e.images == 0 ? 0 : e.rows / e.images, f.k, e.dtype};
}

struct Places {
  size_t norm, blocks, h_blocks, packed, multiply, total;
};

// Bytes of kNormedRows of a thread.
size_t block_bytes(const InputForm& f, DType dtype) {
  return aligned(static_cast<size_t>(kNormedRows * f.k) * bytes_of(dtype));
}
size_t h_block_bytes(const InputForm& f, DType dtype) {
  return aligned(static_cast<size_t>(kNormedRows * f.rank) * bytes_of(dtype));
}

Places places_of(const Context& context, const InputForm& f, const InputExtent& e) {
  Places p{};
  const auto take = [&p](size_t bytes) {
    const size_t at = p.total;
    p.total += aligned(bytes);
    return at;
  };
  const size_t threads = static_cast<size_t>(context.threads.size());
  const kernels::GemmKernel& gemm = kernels::select_gemm(context.cpu, e.dtype);
  p.norm = take(f.group_norm ? NormedInput::scratch_bytes(context, *f.group_norm, norm_layout(f, e)) : 0);
  p.blocks = take(f.normed() ? threads * block_bytes(f, e.dtype) : 0);
  p.h_blocks = take(threads * h_block_bytes(f, e.dtype));
  p.packed = take(f.rank > 0 ? kernels::packed_bytes(gemm, f.rank, f.k) : 0);
  p.multiply = take(f.rank > 0 ? threads * aligned(kernels::packed_scratch_bytes(gemm, f.k)) : 0);
  return p;
}

class Pass {
 public:
  Pass(Context& context, const InputForm& form, const InputExtent& extent, const InputOperands& operands,
       const InputRows& to, std::byte* scratch)
      : context_(context),
        f_(form),
        e_(extent),
        in_(operands),
        to_(to),
        scratch_(scratch),
        at_(places_of(context, form, extent)),
        quantize_(kernels::select_quantize(context.cpu, extent.dtype)),
        gemm_(kernels::select_gemm(context.cpu, extent.dtype)),
        row_bytes_(static_cast<size_t>(form.k) * bytes_of(extent.dtype)) {
    if (f_.group_norm)
      norm_.emplace(context, *f_.group_norm, norm_layout(f_, e_), in_.x, in_.gamma, in_.beta, scratch + at_.norm);
  }

  void all() {
    if (e_.rows == 0) return;
    if (f_.rank > 0) pack();
    const int64_t pixels = e_.rows / e_.images;
    for (int64_t image = 0; image < e_.images; ++image) {
      if (norm_) norm_->start(image);
      if (f_.image_scale)
        to_.scales[image] =
            (norm_ ? norm_->absmax(quantize_, in_.input_scale) : image_absmax(image * pixels, pixels)) / 127.0f;
      context_.threads.run(pixels, kNormedRows, [&](int64_t begin, int64_t end, int thread) {
        for (int64_t r = begin; r < end; r += kNormedRows)
          block(image * pixels, r, std::min(r + kNormedRows, end), image, thread);
      });
    }
  }

 private:
  void pack() {
    const kernels::WeightView weight{in_.down, in_.down_dtype, f_.k, 0, 1};
    context_.threads.run(kernels::packed_panels(gemm_, f_.rank), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) kernels::pack_panel(gemm_, weight, f_.rank, f_.k, i, scratch_ + at_.packed);
    });
  }

  const std::byte* row(int64_t r) const {
    return static_cast<const std::byte*>(in_.x) + static_cast<size_t>(r) * row_bytes_;
  }

  float image_absmax(int64_t first, int64_t count) const {
    std::vector<float> most(static_cast<size_t>(context_.threads.size()), 0.0f);
    context_.threads.run(count, 8, [&](int64_t begin, int64_t end, int thread) {
      most[static_cast<size_t>(thread)] = quantize_.absmax(row(first + begin), end - begin, f_.k, in_.input_scale);
    });
    return *std::max_element(most.begin(), most.end());
  }

  // Rows [begin, end) of the image that starts at row `first`.
  void block(int64_t first, int64_t begin, int64_t end, int64_t image, int thread) const {
    const void* x = row(first + begin);
    if (f_.normed()) {
      void* out = to_.normed != nullptr
                      ? static_cast<std::byte*>(to_.normed) + static_cast<size_t>(first + begin) * row_bytes_
                      : scratch_ + at_.blocks + block_bytes(f_, e_.dtype) * static_cast<size_t>(thread);
      normalize(first, begin, end, out);
      x = out;
    }
    if (f_.activation != ActivationKind::Float) quantize(x, first + begin, end - begin, image);
    if (f_.rank > 0) multiply(x, first + begin, end - begin, thread);
  }

  void normalize(int64_t first, int64_t begin, int64_t end, void* out) const {
    if (norm_) return norm_->rows(begin, end, out);
    kernels::select_norm(context_.cpu, e_.dtype)
        .layer_norm(row(first + begin), f_.k, out, f_.k, end - begin, f_.k, in_.gamma, in_.beta, f_.layer_norm->eps,
                    nullptr, nullptr);
  }

  void quantize(const void* x, int64_t first, int64_t count, int64_t image) const {
    const int64_t k = f_.k, padded = f_.padded_k();
    int8_t* codes = to_.codes + first * padded;
    float* scales = to_.scales + first * f_.scales_per_row();
    int32_t* sums = to_.sums + first * f_.sums_per_row();
    if (f_.activation == ActivationKind::Int4)
      quantize_.int4_groups(x, count, k, padded, in_.input_scale, f_.shift, codes, scales, sums);
    else if (f_.image_scale)
      quantize_.int8_scaled(x, count, k, padded, in_.input_scale, to_.scales[image], codes, sums);
    else
      quantize_.int8_rows(x, count, k, padded, in_.input_scale, codes, scales, sums);
  }

  void multiply(const void* x, int64_t first, int64_t count, int thread) const {
    const size_t own = static_cast<size_t>(thread), item = bytes_of(e_.dtype);
    const bool widened = branch_dtype(context_, f_.activation, e_.dtype) != e_.dtype;
    std::byte* c = widened ? scratch_ + at_.h_blocks + h_block_bytes(f_, e_.dtype) * own
                           : static_cast<std::byte*>(to_.h) + static_cast<size_t>(first * f_.rank) * item;
    kernels::multiply_packed(gemm_, scratch_ + at_.packed, f_.rank, f_.k, x, count, c,
                             scratch_ + at_.multiply + aligned(kernels::packed_scratch_bytes(gemm_, f_.k)) * own);
    if (!widened) return;
    const BFloat16* from = reinterpret_cast<const BFloat16*>(c);
    float* h = static_cast<float*>(to_.h) + first * f_.rank;
    for (int64_t i = 0; i < count * f_.rank; ++i) h[i] = to_float(from[i]);
  }

  Context& context_;
  const InputForm& f_;
  const InputExtent& e_;
  const InputOperands& in_;
  const InputRows& to_;
  std::byte* scratch_;
  Places at_;
  const kernels::QuantizeKernel& quantize_;
  const kernels::GemmKernel& gemm_;
  size_t row_bytes_;
  std::optional<NormedInput> norm_;
};

}  // namespace

DType branch_dtype(const Context& context, ActivationKind activation, DType dtype) {
  if (activation == ActivationKind::Float) return dtype;
  return activation == ActivationKind::Int8 ? kernels::qgemm_branch_dtype(kernels::select_qgemm(context.cpu, dtype)) : DType::F32;
}

InputRows InputPlaces::in(void* memory) const {
  std::byte* base = static_cast<std::byte*>(memory);
  return {reinterpret_cast<int8_t*>(base + codes), reinterpret_cast<float*>(base + scales),
          reinterpret_cast<int32_t*>(base + sums), base + h, nullptr};
}

InputPlaces input_places(const InputForm& f, const InputExtent& e) {
  InputPlaces p{};
  const auto take = [&p](size_t bytes) {
    const size_t at = p.total;
    p.total += aligned(bytes);
    return at;
  };
  const bool integer = f.activation != ActivationKind::Float;
  const size_t rows = static_cast<size_t>(e.rows);
  p.codes = take(integer ? rows * static_cast<size_t>(f.padded_k()) : 0);
  p.scales = take(integer ? rows * static_cast<size_t>(f.scales_per_row()) * sizeof(float) : 0);
  p.sums = take(integer ? rows * static_cast<size_t>(f.sums_per_row()) * sizeof(int32_t) : 0);
  p.h = take(rows * static_cast<size_t>(f.rank) * (integer ? sizeof(float) : bytes_of(e.dtype)));
  return p;
}

size_t input_pass_scratch(const Context& context, const InputForm& form, const InputExtent& extent) {
  return places_of(context, form, extent).total;
}

void run_input_pass(Context& context, const InputForm& form, const InputExtent& extent, const InputOperands& operands,
                    const InputRows& to, std::byte* scratch) {
  Pass(context, form, extent, operands, to, scratch).all();
}

}  // namespace nibble::ops
