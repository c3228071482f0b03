#include "tensor/tensor.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "base/error.h"

namespace nibble {

std::string to_string(const Shape& shape) { return format("[{}]", fmt::join(shape.dims(), ", ")); }

std::shared_ptr<void> allocate(size_t bytes) {
  constexpr size_t kAlign = 64;
  void* data = bytes > SIZE_MAX - kAlign ? nullptr : std::aligned_alloc(kAlign, (std::max(bytes, kAlign) + kAlign - 1) / kAlign * kAlign);
  if (data == nullptr)
    fail(ErrorCode::OutOfMemory, "memory: cannot allocate {:.1f} MB; choose a smaller size or --precision bf16",
         static_cast<double>(bytes) / 1e6);
  return {data, [](void* p) { std::free(p); }};
}

Tensor Tensor::zeros(DType dtype, const Shape& shape) {
  Tensor t;
  t.dtype_ = dtype;
  t.shape_ = shape;
  std::shared_ptr<void> storage = allocate(t.bytes());
  std::memset(storage.get(), 0, t.bytes());
  t.data_ = storage.get();
  t.writable_ = true;
  t.owner_ = std::move(storage);
  return t;
}

Tensor Tensor::from(std::span<const float> values, const Shape& shape) {
  NIBBLE_CHECK(static_cast<int64_t>(values.size()) == shape.count(), "{} values for {}", values.size(),
               nibble::to_string(shape));
  Tensor t = zeros(DType::F32, shape);
  std::copy(values.begin(), values.end(), t.mutable_values<float>().begin());
  return t;
}

Tensor Tensor::view(DType dtype, const Shape& shape, const void* data, std::shared_ptr<const void> owner) {
  Tensor t;
  t.dtype_ = dtype;
  t.shape_ = shape;
  t.data_ = data;
  t.owner_ = std::move(owner);
  return t;
}

void* Tensor::mutable_data() {
  NIBBLE_CHECK(writable_, "write to a borrowed tensor");
  return const_cast<void*>(data_);
}

void Tensor::check_type(size_t size, bool floating) const {
  NIBBLE_CHECK(size == bytes_of(dtype_) && floating == traits(dtype_).floating, "tensor is {}", to_string(dtype_));
}

Tensor Tensor::reshaped(const Shape& shape) const {
  NIBBLE_CHECK(shape.count() == count(), "reshape {} to {}", nibble::to_string(shape_), nibble::to_string(shape));
  Tensor t = *this;
  t.shape_ = shape;
  return t;
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  NIBBLE_CHECK(begin >= 0 && begin <= end && end <= dim(0), "rows {}..{} of {}", begin, end, nibble::to_string(shape_));
  Tensor t = *this;
  const size_t row = bytes() / static_cast<size_t>(std::max<int64_t>(dim(0), 1));
  t.data_ = static_cast<const std::byte*>(data_) + row * static_cast<size_t>(begin);
  t.shape_[0] = end - begin;
  return t;
}

Tensor Tensor::clone() const {
  Tensor t = zeros(dtype_, shape_);
  if (bytes() > 0) std::memcpy(t.mutable_data(), data_, bytes());
  return t;
}

namespace {

// f(values) with a pointer of the tensor's own type.
template <typename F>
auto with_values(const Tensor& tensor, F f) {
  const void* data = tensor.data();
  switch (tensor.dtype()) {
    case DType::F32: return f(static_cast<const float*>(data));
    case DType::F16: return f(static_cast<const Float16*>(data));
    case DType::BF16: return f(static_cast<const BFloat16*>(data));
    case DType::F64: return f(static_cast<const double*>(data));
    case DType::I64: return f(static_cast<const int64_t*>(data));
    case DType::I32: return f(static_cast<const int32_t*>(data));
    case DType::I16: return f(static_cast<const int16_t*>(data));
    case DType::I8: return f(static_cast<const int8_t*>(data));
    case DType::U8:
    case DType::Bool: return f(static_cast<const uint8_t*>(data));
  }
  NIBBLE_CHECK(false, "dtype {}", static_cast<int>(tensor.dtype()));
}

template <typename T>
float as_float(T x) {
  if constexpr (std::is_arithmetic_v<T>) return static_cast<float>(x);
  else return to_float(x);
}

template <typename T>
void store_all(const Tensor& from, std::span<T> to) {
  with_values(from, [&](const auto* values) {
    for (size_t i = 0; i < to.size(); ++i) to[i] = from_float<T>(as_float(values[i]));
  });
}

}  // namespace

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor t = zeros(dtype, shape_);
  switch (dtype) {
    case DType::F32: store_all(*this, t.mutable_values<float>()); break;
    case DType::BF16: store_all(*this, t.mutable_values<BFloat16>()); break;
    case DType::F16: store_all(*this, t.mutable_values<Float16>()); break;
    default: fail(ErrorCode::Unsupported, "tensor: cannot convert {} to {}", nibble::to_string(dtype_), nibble::to_string(dtype));
  }
  return t;
}

float element(const Tensor& tensor, int64_t i) {
  return with_values(tensor, [i](const auto* values) { return as_float(values[i]); });
}

}  // namespace nibble
