// Partial loads and elementary functions over the Vec of the including vec_<isa>.h. Polynomial coefficients are minimax
// fits (weighted least squares with Lawson's reweighting) of the function named, on the interval named.
#pragma once

namespace nibble::kernels {
namespace {

// The first count < kWidth lanes; the others are 0.
template <typename T>
NIBBLE_INLINE Vec load_part(const T* p, int64_t count) {
  T lanes[Vec::kWidth] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = p[i];
  return load(lanes);
}

template <typename T>
NIBBLE_INLINE void store_part(T* p, Vec a, int64_t count) {
  T lanes[Vec::kWidth];
  store(lanes, a);
  for (int64_t i = 0; i < count; ++i) p[i] = lanes[i];
}

// 2^f for f in [-1/2, 1/2], relative error 9e-8 before rounding.
NIBBLE_INLINE Vec exp2_fraction(Vec f) {
  Vec p = set(0.001326472731307149f);
  p = fma(p, f, set(0.009671512991189957f));
  p = fma(p, f, set(0.05550733581185341f));
  p = fma(p, f, set(0.24022242426872253f));
  p = fma(p, f, set(0.6931470036506653f));
  return fma(p, f, set(1.0f));
}

// 2^x for x <= 127, within 2 ulp; 0 below -126.5.
NIBBLE_INLINE Vec exp2_flushing(Vec x) {
  x = max(set(-127.0f), x);
  const Vec n = round(x);
  return exp2_fraction(x - n) * pow2(n);
}

// e^x within 2 ulp, with overflow to infinity and gradual underflow. 2^n is applied in two halves.
NIBBLE_INLINE Vec exp(Vec x) {
  x = min(set(89.0f), max(set(-104.0f), x));
  const Vec n = round(x * set(1.44269504f));
  Vec r = fnma(n, set(0.693359375f), x);
  r = fnma(n, set(-2.12194440e-4f), r);
  Vec p = set(0.0013814190169796348f);
  p = fma(p, r, set(0.008368914015591145f));
  p = fma(p, r, set(0.04166840761899948f));
  p = fma(p, r, set(0.1666651964187622f));
  p = fma(p, r, set(0.4999999403953552f));
  p = fma(p, r * r, r) + set(1.0f);
  const Vec half = round(n * set(0.5f));
  return p * pow2(half) * pow2(n - half);
}

NIBBLE_INLINE Vec sigmoid(Vec x) { return set(1.0f) / (set(1.0f) + exp(-x)); }

// Near zero x + x^3 P(x^2) keeps the relative error; beyond it 1 - 2 / (e^2|x| + 1).
NIBBLE_INLINE Vec tanh(Vec x) {
  const Vec square = x * x, size = abs(x);
  Vec p = set(-0.005704987328499556f);
  p = fma(p, square, set(0.0206390880048275f));
  p = fma(p, square, set(-0.05373971536755562f));
  p = fma(p, square, set(0.13331441581249237f));
  p = fma(p, square, set(-0.3333328068256378f));
  const Vec small = fma(p * square, x, x);
  const Vec large = set(1.0f) - set(2.0f) / (exp(size + size) + set(1.0f));
  return select_less(size, set(0.625f), small, copy_sign(large, x));
}

// Rational fit x P(x^2) / Q(x^2) on |x| <= 3.92, absolute error 3e-7; beyond it erf rounds to +-1.
NIBBLE_INLINE Vec erf(Vec x) {
  const Vec z = min(set(15.37f), x * x);
  Vec p = set(1.974819042516174e-06f);
  p = fma(p, z, set(0.0002880404645111412f));
  p = fma(p, z, set(0.004003642126917839f));
  p = fma(p, z, set(0.05346746742725372f));
  p = fma(p, z, set(0.19624900817871094f));
  p = fma(p, z, set(1.128378987312317f));
  Vec q = set(3.748069502762519e-05f);
  q = fma(q, z, set(0.0012163572246208787f));
  q = fma(q, z, set(0.015444415621459484f));
  q = fma(q, z, set(0.11647642403841019f));
  q = fma(q, z, set(0.5072523355484009f));
  q = fma(q, z, set(1.0f));
  return select_less(set(3.92f), abs(x), copy_sign(set(1.0f), x), x * p / q);
}

}  // namespace
}  // namespace nibble::kernels
