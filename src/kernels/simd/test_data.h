// Arrays in a storage type for kernel tests, with the doubles they stand for, between guards that show stray accesses.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/test_cpu.h"
#include "tensor/dtype.h"

namespace nibble::kernels {

template <typename Kernel, size_t count>
std::vector<const Kernel*> runnable(const Kernel* const (&table)[count]) {
  std::vector<const Kernel*> kernels;
  for (const Kernel* kernel : table)
    if (tested_cpu().has(kernel->isa)) kernels.push_back(kernel);
  return kernels;
}

inline std::mt19937& test_random() {
  static std::mt19937 random(20240607u);  // the same numbers in every run
  return random;
}

class Array {
 public:
  Array(DType dtype, int64_t count, float guard = 12345.0f)
      : dtype_(dtype), guard_(guard), count_(count), bytes_(static_cast<size_t>(count + 2 * kGuard) * bytes_of(dtype)) {
    for (int64_t i = -kGuard; i < count + kGuard; ++i) set(i, guard);
  }
  static Array uniform(DType dtype, int64_t count, float low, float high) {
    Array array(dtype, count, std::numeric_limits<float>::quiet_NaN());
    std::uniform_real_distribution<float> distribution(low, high);
    for (int64_t i = 0; i < count; ++i) array.set(i, distribution(test_random()));
    return array;
  }
  static Array normal(DType dtype, int64_t count, float mean = 0.0f, float deviation = 1.0f) {
    Array array(dtype, count, std::numeric_limits<float>::quiet_NaN());
    std::normal_distribution<float> distribution(mean, deviation);
    for (int64_t i = 0; i < count; ++i) array.set(i, distribution(test_random()));
    return array;
  }

  void* data() { return bytes_.data() + static_cast<size_t>(kGuard) * bytes_of(dtype_); }
  const void* data() const { return const_cast<Array*>(this)->data(); }
  void* at(int64_t i) { return static_cast<std::byte*>(data()) + i * static_cast<int64_t>(bytes_of(dtype_)); }
  const float* floats() const { return static_cast<const float*>(data()); }
  float* floats() { return static_cast<float*>(data()); }
  int64_t size() const { return count_; }
  bool same_bits(const Array& other) const { return bytes_ == other.bytes_; }

  double operator[](int64_t i) const {
    const void* p = const_cast<Array*>(this)->at(i);
    if (dtype_ == DType::BF16) return to_float(read<BFloat16>(p));
    if (dtype_ == DType::F16) return to_float(read<Float16>(p));
    return read<float>(p);
  }
  void set(int64_t i, float x) {
    if (dtype_ == DType::F32) write(i, x);
    if (dtype_ == DType::BF16) write(i, to_bf16(x));
    if (dtype_ == DType::F16) write(i, to_f16(x));
  }
  bool guards_whole() const {
    for (int64_t i = 0; i < kGuard; ++i)
      if ((*this)[-1 - i] != (*this)[-1] || (*this)[-1] != (*this)[count_ + i]) return false;
    return true;
  }

 private:
  static constexpr int64_t kGuard = 64;
  template <typename T>
  static T read(const void* p) {
    T value;
    std::memcpy(&value, p, sizeof(T));
    return value;
  }
  template <typename T>
  void write(int64_t i, T value) {
    std::memcpy(at(i), &value, sizeof(T));
  }

  DType dtype_;
  float guard_;
  int64_t count_;
  std::vector<std::byte> bytes_;
};

// Half a unit in the last place of the storage type, relative.
inline double storage_epsilon(DType dtype) {
  return dtype == DType::BF16 ? 0x1p-8 : dtype == DType::F16 ? 0x1p-11 : 0x1p-24;
}

}  // namespace nibble::kernels
