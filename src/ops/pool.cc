#include "ops/pool.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "ops/parallel.h"

namespace nibble::ops {
namespace {

int64_t windows(int64_t size, const PoolOptions& o) {
  const int64_t room = size + 2 * o.pad - o.kernel;
  int64_t count = (room + (o.round_up ? o.stride - 1 : 0)) / o.stride + 1;
  if (o.round_up && (count - 1) * o.stride >= size + o.pad) --count;
  return count;
}

struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

// The part of window `i` that lies inside [0, size).
Range inside(int64_t i, int64_t size, const PoolOptions& o) {
  const int64_t begin = i * o.stride - o.pad;
  return {std::max<int64_t>(begin, 0), std::min(begin + o.kernel, size)};
}

void take_larger(const float* x, float* y, int64_t count) {
  for (int64_t c = 0; c < count; ++c) y[c] = x[c] > y[c] || std::isnan(x[c]) ? x[c] : y[c];
}

void add_to(const float* x, float* y, int64_t count) {
  for (int64_t c = 0; c < count; ++c) y[c] += x[c];
}

class Pool : public Op {
 public:
  Pool(const PoolOptions& options, bool average) : o_(options), average_(average) {}

  const char* name() const override { return average_ ? "average_pool" : "max_pool"; }

  TensorType infer(std::span<const TensorType> in) const override {
    const Shape& x = in[0].shape;
    NIBBLE_CHECK(o_.kernel > 0 && o_.stride > 0 && o_.pad >= 0 && 2 * o_.pad <= o_.kernel, "pooling window");
    NIBBLE_CHECK(in[0].dtype == DType::F32 && x.rank() == 4, "{} of {}", name(), to_string(x));
    if (std::min(x[1], x[2]) + 2 * o_.pad < o_.kernel)
      fail(ErrorCode::InvalidArgument, "{}: input {} (NHWC) is smaller than the window of {}", name(), to_string(x), o_.kernel);
    return {DType::F32, {x[0], windows(x[1], o_), windows(x[2], o_), x[3]}};
  }

  void run(const RunArgs& args) const override {
    const Shape& out = args.out.type.shape;
    parallel_rows(args.context, out[0] * out[1], out[2] * out[3] * o_.kernel, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) run_row(args, row);
    });
  }

  OpCost cost(std::span<const TensorType>, const TensorType& out) const override {
    return {0, static_cast<double>(out.shape.count() * o_.kernel * o_.kernel)};
  }

 private:
  void run_row(const RunArgs& args, int64_t row) const {
    const Shape &in = args.in[0].type.shape, &out = args.out.type.shape;
    const int64_t c = out[3];
    const Range ys = inside(row % out[1], in[1], o_);
    const float* picture = args.in[0].as<float>() + row / out[1] * in.count(1, 4);
    float* y = args.out.as<float>() + row * out[2] * c;
    for (int64_t i = 0; i < out[2]; ++i, y += c) {
      const Range xs = inside(i, in[2], o_);
      for (int64_t v = ys.begin; v < ys.end; ++v)
        for (int64_t u = xs.begin; u < xs.end; ++u) {
          const float* x = picture + (v * in[2] + u) * c;
          if (v == ys.begin && u == xs.begin)
            std::copy_n(x, c, y);
          else
            average_ ? add_to(x, y, c) : take_larger(x, y, c);
        }
      const float count = static_cast<float>(ys.size() * xs.size());
      for (int64_t k = 0; average_ && k < c; ++k) y[k] /= count;
    }
  }

  PoolOptions o_;
  bool average_;
};

class MeanPositions : public Op {
 public:
  const char* name() const override { return "mean_positions"; }

  TensorType infer(std::span<const TensorType> in) const override {
    const Shape& x = in[0].shape;
    NIBBLE_CHECK(in[0].dtype == DType::F32 && x.rank() == 4 && x.count() > 0, "mean_positions of {}", to_string(x));
    return {DType::F32, {x[0], x[3]}};
  }

  size_t scratch_bytes(const Context&, std::span<const TensorType>, const TensorType& out) const override {
    return static_cast<size_t>(out.shape.count()) * sizeof(double);
  }

  void run(const RunArgs& args) const override {
    const Shape& in = args.in[0].type.shape;
    const int64_t positions = in[1] * in[2], c = in[3];
    double* sums = reinterpret_cast<double*>(args.scratch);
    parallel_rows(args.context, in[0] * c, positions, [&](int64_t begin, int64_t end) {
      std::fill(sums + begin, sums + end, 0.0);
      for (int64_t at = begin; at < end;) {
        const int64_t n = at / c, stop = std::min(end, (n + 1) * c);
        for (int64_t p = 0; p < positions; ++p) {
          const float* x = args.in[0].as<float>() + (n * positions + p) * c - n * c;
          for (int64_t i = at; i < stop; ++i) sums[i] += static_cast<double>(x[i]);
        }
        at = stop;
      }
      for (int64_t i = begin; i < end; ++i) args.out.as<float>()[i] = static_cast<float>(sums[i] / static_cast<double>(positions));
    });
  }

  OpCost cost(std::span<const TensorType> in, const TensorType&) const override {
    return {0, static_cast<double>(in[0].shape.count())};
  }
};

}  // namespace

Value max_pool(Value x, const PoolOptions& options) { return x.graph().record(std::make_shared<Pool>(options, false), {x}); }
Value average_pool(Value x, const PoolOptions& options) { return x.graph().record(std::make_shared<Pool>(options, true), {x}); }
Value mean_positions(Value x) { return x.graph().record(std::make_shared<MeanPositions>(), {x}); }

}  // namespace nibble::ops
