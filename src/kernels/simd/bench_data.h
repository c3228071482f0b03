// Arrays for benchmarks: small values that repeat with a period no kernel can use, 64-byte aligned.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "tensor/dtype.h"

namespace nibble::kernels {

class BenchArray {
 public:
  BenchArray(DType dtype, int64_t count) : bytes_(static_cast<size_t>(count) * bytes_of(dtype) + kAlign) {
    for (int64_t i = 0; i < count; ++i) {
      const float x = 0.01f * static_cast<float>(i * 7 % 401 - 200);
      if (dtype == DType::F32)
        static_cast<float*>(data())[i] = x;
      else
        static_cast<BFloat16*>(data())[i] = to_bf16(x);
    }
  }
  void* data() const {
    const auto at = reinterpret_cast<uintptr_t>(bytes_.data());
    return const_cast<std::byte*>(bytes_.data()) + (kAlign - at % kAlign) % kAlign;
  }

 private:
  static constexpr size_t kAlign = 64;
  std::vector<std::byte> bytes_;
};

}  // namespace nibble::kernels
