// The machine's own limits, measured: arithmetic per second of one core and memory read per second.
#pragma once

#include <cstdint>

#include "base/cpu.h"

namespace nibble::kernels {

// Int8Dot: integer products of quantized layers, by the instructions the kernels use (vpmaddwd and vpaddd on AVX2, byte dot products elsewhere).
enum class PeakKind { F32Fma, Bf16Dot, Int8Dot };

struct PeakLoop {
  const char* name;
  Isa isa;
  PeakKind kind;
  int64_t operations;  // per iteration; a multiply-add counts two
  float (*run)(int64_t iterations);
};

// Operations per second of the best loop of the mask for this kind; 0 when the mask has none. Takes about 0.1 s.
double measure_peak(CpuMask mask, PeakKind kind);
double measure_peak(const PeakLoop& loop);

// Bytes per second that one thread reads from a buffer of this size, which decides the cache level.
double measure_read_bandwidth(size_t bytes);

}  // namespace nibble::kernels
