// Joining of moments. Internal linkage: files of several instruction sets include this.
#pragma once

#include "kernels/norm/norm.h"

namespace nibble::kernels {
namespace {

[[maybe_unused]] NormPartial merge(const NormPartial& a, const NormPartial& b) {
  const double count = a.count + b.count;
  if (count == 0.0) return a;
  const double delta = b.mean - a.mean, part = b.count / count;
  return {count, a.mean + delta * part, a.m2 + b.m2 + delta * delta * a.count * part};
}

}  // namespace
}  // namespace nibble::kernels
