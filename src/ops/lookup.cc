#include <cmath>
#include <cstring>

#include "base/check.h"
#include "ops/basic.h"
#include "ops/parallel.h"
#include "kernels/eltwise/eltwise.h"
#include "kernels/resample/resample.h"

namespace nibble::ops {
namespace {

class Embedding : public Op {
 public:
  explicit Embedding(DType dtype) : dtype_(dtype) {}
  const char* name() const override { return "embedding"; }
  TensorType infer(std::span<const TensorType> in) const override {
    NIBBLE_CHECK(in[0].shape.rank() == 2 && in[1].dtype == DType::I32, "embedding of {}", to_string(in[0].shape));
    std::vector<int64_t> dims(in[1].shape.dims().begin(), in[1].shape.dims().end());
    dims.push_back(in[0].shape[1]);
    return {dtype_, Shape(dims)};
  }
  void run(const RunArgs& args) const override {
    const int64_t width = args.in[0].type.shape[1], vocabulary = args.in[0].type.shape[0];
    const DType from = args.in[0].type.dtype;
    const auto& kernel = kernels::select_cast(args.context.cpu);
    for (int64_t i = 0; i < args.in[1].type.shape.count(); ++i) {
      const int32_t id = args.in[1].as<int32_t>()[i];
      NIBBLE_CHECK(id >= 0 && id < vocabulary, "token id {} of {}", id, vocabulary);
      kernel.cast(from, args.in[0].as<std::byte>() + static_cast<size_t>(id * width) * bytes_of(from), dtype_,
                  args.out.as<std::byte>() + static_cast<size_t>(i * width) * bytes_of(dtype_), width);
    }
  }

 private:
  DType dtype_;
};

class PickRows : public Op {
 public:
  const char* name() const override { return "pick_rows"; }
  TensorType infer(std::span<const TensorType> in) const override {
    NIBBLE_CHECK(in[0].shape.rank() == 3 && in[1].shape == Shape({in[0].shape[0]}) && in[1].dtype == DType::I32, "pick_rows of {}",
                 to_string(in[0].shape));
    return {in[0].dtype, {in[0].shape[0], in[0].shape[2]}};
  }
  void run(const RunArgs& args) const override {
    const Shape& shape = args.in[0].type.shape;
    const size_t row = static_cast<size_t>(shape[2]) * bytes_of(args.out.type.dtype);
    for (int64_t n = 0; n < shape[0]; ++n) {
      const int32_t index = args.in[1].as<int32_t>()[n];
      NIBBLE_CHECK(index >= 0 && index < shape[1], "row {} of {}", index, shape[1]);
      std::memcpy(args.out.as<std::byte>() + static_cast<size_t>(n) * row,
                  args.in[0].as<std::byte>() + static_cast<size_t>(n * shape[1] + index) * row, row);
    }
  }
};

class TimestepEmbedding : public Op {
 public:
  TimestepEmbedding(int64_t dim, bool flip, float shift, DType dtype) : dim_(dim), flip_(flip), shift_(shift), dtype_(dtype) {}
  const char* name() const override { return "timestep_embedding"; }
  TensorType infer(std::span<const TensorType> in) const override {
    NIBBLE_CHECK(in[0].dtype == DType::F32 && in[0].shape.rank() == 1, "time steps {}", to_string(in[0].shape));
    return {dtype_, {in[0].shape[0], dim_}};
  }
  void run(const RunArgs& args) const override {
    const int64_t half = dim_ / 2;
    for (int64_t n = 0; n < args.out.type.shape[0]; ++n)
      for (int64_t i = 0; i < dim_; ++i) {
        float value = 0;
        if (i < 2 * half) {
          // torch's arithmetic: the exponent and its exp in float32.
          const float exponent = -std::log(10000.0f) * static_cast<float>(i % half) / (static_cast<float>(half) - shift_);
          const float angle = args.in[0].as<float>()[n] * std::exp(exponent);
          value = (i < half) == flip_ ? std::cos(angle) : std::sin(angle);
        }
        if (dtype_ == DType::F32)
          args.out.as<float>()[n * dim_ + i] = value;
        else
          args.out.as<BFloat16>()[n * dim_ + i] = to_bf16(value);
      }
  }

 private:
  int64_t dim_;
  bool flip_;
  float shift_;
  DType dtype_;
};

enum class Filter { Nearest, Bilinear };

class Resample : public Op {
 public:
  Resample(Filter filter, int64_t height, int64_t width, const char* name)
      : filter_(filter), height_(height), width_(width), name_(name) {}
  const char* name() const override { return name_; }
  TensorType infer(std::span<const TensorType> in) const override {
    NIBBLE_CHECK(in[0].shape.rank() == 4, "resample of {}", to_string(in[0].shape));
    return {in[0].dtype, {in[0].shape[0], height_, width_, in[0].shape[3]}};
  }
  void run(const RunArgs& args) const override {
    const Shape& shape = args.in[0].type.shape;
    const auto& kernel = kernels::select_resample(args.context.cpu, args.out.type.dtype);
    const kernels::ResampleShape geometry{shape[1], shape[2], height_, width_, shape[3]};
    const size_t size = bytes_of(args.out.type.dtype);
    const auto run_image = filter_ == Filter::Nearest ? kernel.nearest : kernel.bilinear;
    for (int64_t n = 0; n < shape[0]; ++n)
      parallel_rows(args.context, height_, width_ * shape[3], [&](int64_t begin, int64_t end) {
        run_image(geometry, args.in[0].as<std::byte>() + static_cast<size_t>(n * shape.count(1, 4)) * size,
                  args.out.as<std::byte>() + static_cast<size_t>(n * args.out.type.shape.count(1, 4)) * size, begin, end);
      });
  }
  std::vector<Value> gradient(const GradientArgs& g) const override;

 private:
  Filter filter_;
  int64_t height_, width_;
  const char* name_;
};

// [N, 2H, 2W, C] -> [N, H, W, C]: the sum of each 2x2 block, the transpose of nearest enlargement.
class SumBlocks : public Op {
 public:
  const char* name() const override { return "sum_blocks_2x2"; }
  TensorType infer(std::span<const TensorType> in) const override {
    const Shape& s = in[0].shape;
    NIBBLE_CHECK(in[0].dtype == DType::F32 && s[1] % 2 == 0 && s[2] % 2 == 0, "2x2 blocks of {}", to_string(s));
    return {DType::F32, {s[0], s[1] / 2, s[2] / 2, s[3]}};
  }
  void run(const RunArgs& args) const override {
    const Shape& out = args.out.type.shape;
    const float* x = args.in[0].as<float>();
    float* y = args.out.as<float>();
    const int64_t c = out[3], row = 2 * out[2] * c;
    parallel_rows(args.context, out[0] * out[1], out[2] * c, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * out[2] * c; i < end * out[2] * c; ++i) {
        const float* p = x + i / (out[2] * c) * 2 * row + i % (out[2] * c) / c * 2 * c + i % c;
        y[i] = (p[0] + p[c]) + (p[row] + p[row + c]);
      }
    });
  }
};

std::vector<Value> Resample::gradient(const GradientArgs& g) const {
  if (std::string_view(name_) != "upsample_nearest_2x") return Op::gradient(g);
  return {g.grad.graph().record(std::make_shared<SumBlocks>(), {g.grad})};
}

}  // namespace

Value embedding(Value table, Value ids, DType dtype) {
  return table.graph().record(std::make_shared<Embedding>(dtype), {table, ids});
}
Value pick_rows(Value x, Value index) { return x.graph().record(std::make_shared<PickRows>(), {x, index}); }
Value timestep_embedding(Value t, int64_t dim, bool flip_sin_to_cos, float freq_shift, DType dtype) {
  return t.graph().record(std::make_shared<TimestepEmbedding>(dim, flip_sin_to_cos, freq_shift, dtype), {t});
}
Value upsample_nearest_2x(Value x) {
  return x.graph().record(std::make_shared<Resample>(Filter::Nearest, 2 * x.dim(1), 2 * x.dim(2), "upsample_nearest_2x"), {x});
}
Value upsample_nearest(Value x, int64_t height, int64_t width) {
  if (height == 2 * x.dim(1) && width == 2 * x.dim(2)) return upsample_nearest_2x(x);
  return x.graph().record(std::make_shared<Resample>(Filter::Nearest, height, width, "upsample_nearest"), {x});
}
Value upsample_bilinear(Value x, int64_t height, int64_t width) {
  return x.graph().record(std::make_shared<Resample>(Filter::Bilinear, height, width, "upsample_bilinear"), {x});
}

}  // namespace nibble::ops
