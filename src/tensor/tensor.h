// A contiguous, shared, typed block of memory with a shape. Copies share the storage; clone() does not.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace nibble {

class Tensor {
 public:
  Tensor() = default;

  // New storage, 64-byte aligned, zeroed. Throws Error{OutOfMemory}.
  static Tensor zeros(DType dtype, const Shape& shape);
  static Tensor from(std::span<const float> values, const Shape& shape);  // a copy, F32

  // Views memory kept alive by `owner` (a mapped file, another tensor's storage); never written through.
  static Tensor view(DType dtype, const Shape& shape, const void* data, std::shared_ptr<const void> owner);

  bool empty() const { return data_ == nullptr; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t dim(int axis) const { return shape_[axis]; }
  int64_t count() const { return shape_.count(); }
  size_t bytes() const { return static_cast<size_t>(count()) * bytes_of(dtype_); }

  const void* data() const { return data_; }
  void* mutable_data();  // only for tensors that own their storage

  // Typed access; the type must match the dtype.
  template <typename T>
  std::span<const T> values() const {
    check_type(sizeof(T), is_floating<T>());
    return {static_cast<const T*>(data_), static_cast<size_t>(count())};
  }
  template <typename T>
  std::span<T> mutable_values() {
    check_type(sizeof(T), is_floating<T>());
    return {static_cast<T*>(mutable_data()), static_cast<size_t>(count())};
  }

  Tensor reshaped(const Shape& shape) const;                 // same count, shared storage
  Tensor rows(int64_t begin, int64_t end) const;             // a view of part of axis 0
  Tensor clone() const;
  Tensor to(DType dtype) const;                              // converted copy (or itself); float types and integers to float
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  template <typename T>
  static constexpr bool is_floating() {
    return std::is_floating_point_v<T> || std::is_same_v<T, BFloat16> || std::is_same_v<T, Float16>;
  }
  void check_type(size_t size, bool floating) const;

  DType dtype_ = DType::F32;
  Shape shape_;
  const void* data_ = nullptr;
  bool writable_ = false;
  std::shared_ptr<const void> owner_;
};

// 64-byte aligned storage; throws Error{OutOfMemory} naming the size.
std::shared_ptr<void> allocate(size_t bytes);

// One number, for tests and for printing: element i as float.
float element(const Tensor& tensor, int64_t i);

}  // namespace nibble
