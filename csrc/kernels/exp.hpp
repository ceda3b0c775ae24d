// exp, log, and on part of their range exp(x) - 1 and log(1 + x), for one float, without branches, so that
// the loops of map.hpp become vector code. Range reduction and polynomials follow Cephes (Moshier 1989);
// errors are below 2 ULP, see tests/kit/cases.py.
#pragma once
#include <cstdint>

#include "kernels/map.hpp"

namespace minidnn::MINIDNN_ISA {

MINIDNN_INLINE float from_bits(std::int32_t bits) { return __builtin_bit_cast(float, bits); }
MINIDNN_INLINE std::int32_t to_bits(float x) { return __builtin_bit_cast(std::int32_t, x); }

// 2^n for -126 <= n <= 127 (any bits where n came from NaN, so the sum is unsigned: it may wrap).
MINIDNN_INLINE float power_of_two(std::int32_t n) {
  return from_bits(static_cast<std::int32_t>((static_cast<std::uint32_t>(n) + 127u) << 23));
}

// log(2) in two parts: the high one has few bits, so that n * kLog2High is exact.
constexpr float kLog2High = 0.693359375f, kLog2Low = -2.12194440e-4f;

struct Reduced {
  float r;         // x - n * log(2), |r| <= log(2) / 2
  std::int32_t n;  // the nearest integer of x / log(2)
};

MINIDNN_INLINE Reduced reduce(float x) {
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
  const float n = (x * 1.44269504088896341f + magic) - magic;
  return {(x - n * kLog2High) - n * kLog2Low, static_cast<std::int32_t>(n)};
}

// exp(r) - 1 - r for |r| <= log(2) / 2.
MINIDNN_INLINE float exp_tail(float r) {
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r);
}

// NaN passes every clamp: a comparison with it is false.
MINIDNN_INLINE float clamp(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

MINIDNN_INLINE float exp(float x) {
  const Reduced z = reduce(clamp(x, -104.0f, 89.0f));  // exp is 0 below and infinite above
  // Two factors, because 2^n itself leaves the normal range at both ends.
  const std::int32_t half = z.n >> 1;
  return (exp_tail(z.r) + z.r + 1.0f) * power_of_two(half) * power_of_two(z.n - half);
}

// exp(x) - 1 for x <= 0, where activations need it; undefined above.
MINIDNN_INLINE float expm1_below(float x) {
  const Reduced z = reduce(clamp(x, -18.0f, 0.0f));  // -1 to the last bit below
  const float scale = power_of_two(z.n);
  return (exp_tail(z.r) + z.r) * scale + (scale - 1.0f);
}

// log(1 + f) - f for sqrt(1/2) <= 1 + f < sqrt(2).
MINIDNN_INLINE float log1p_tail(float f) {
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const float square = f * f;
  return f * square * p - 0.5f * square;
}

// log(1 + x) for 0 <= x <= 1.
MINIDNN_INLINE float log1p_unit(float x) {
  const bool halve = x > 0.41421356f;  // 1 + x = 2 * (1 + f) there, and f is exact
  const float f = halve ? 0.5f * (x - 1.0f) : x;
  const float tail = log1p_tail(f);
  return halve ? (tail + kLog2Low) + f + kLog2High : tail + f;
}

// log(x): -infinity for 0, NaN for less. Some choices are written as arithmetic, since compilers would
// branch.
MINIDNN_INLINE float log(float x) {
  const float infinity = __builtin_inff();
  const std::int32_t doublings = 23 * static_cast<std::int32_t>(to_bits(x) < 0x00800000);  // of denormals
  // x = (1 + f) * 2^n, 1 + f in [sqrt(1/2), sqrt(2)); unsigned, since what comes of x < 0 may wrap.
  const auto bits = static_cast<std::uint32_t>(to_bits(x * power_of_two(doublings)));
  const std::int32_t n = static_cast<std::int32_t>(bits - 0x3f3504f3u) >> 23;
  const float f = from_bits(static_cast<std::int32_t>(bits - (static_cast<std::uint32_t>(n) << 23))) - 1.0f;
  const float k = static_cast<float>(n - doublings);
  const float y = (log1p_tail(f) + k * kLog2Low) + f + k * kLog2High;  // finite for any bits
  const float above = x < infinity ? 0.0f : infinity, below = x == 0 ? -infinity : __builtin_nanf("");
  return y + (x > 0 ? above : below);
}

}  // namespace minidnn::MINIDNN_ISA
