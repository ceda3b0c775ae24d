// The quantile of the normal distribution (Wichura 1988, algorithm AS 241), in double, of + - * / sqrt alone:
// the same bits as reference/normal.py. Both tails and the centre are computed and one is chosen, so that the
// loops become vector code.
#pragma once
#include "kernels/philox.hpp"

namespace minidnn::MINIDNN_ISA {

// Numerator and denominator, highest power first.
struct Ratio {
  double numerator[8], denominator[8];
};

constexpr Ratio kCentre = {
    {2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608},
    {5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0}};
constexpr Ratio kNearTail = {
    {7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734},
    {1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0}};
constexpr Ratio kFarTail = {
    {2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
     0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772},
    {2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
     0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0}};

MINIDNN_INLINE double ratio(const Ratio& r, double x) {
  double numerator = r.numerator[0], denominator = r.denominator[0];
#pragma GCC unroll 8
  for (int i = 1; i < 8; ++i) {
    numerator = numerator * x + r.numerator[i];
    denominator = denominator * x + r.denominator[i];
  }
  return numerator / denominator;
}

// log(x) for positive normal x = m * 2^e, as e * log(2) + 2 * atanh((m - 1) / (m + 1)) with m in [sqrt(1/2),
// sqrt(2)).
MINIDNN_INLINE double precise_log(double x) {
  const auto bits = __builtin_bit_cast(std::uint64_t, x);
  const double half = __builtin_bit_cast(double, (bits & 0x000fffffffffffffu) | 0x3fe0000000000000u);
  const bool low = half < 0.70710678118654752440;
  const double m = low ? 2.0 * half : half;
  const auto e = static_cast<std::int32_t>(bits >> 52) - 1022 - (low ? 1 : 0);
  const double s = (m - 1.0) / (m + 1.0);
  double series = 0.0;
#pragma GCC unroll 12
  for (int power = 23; power > 0; power -= 2) series = series * (s * s) + 1.0 / power;
  return static_cast<double>(e) * 0.69314718055994530942 + 2.0 * s * series;
}

// For p in (0, 1).
MINIDNN_INLINE double normal_quantile(double p) {
  const double q = p - 0.5, other = 1.0 - p;
  const double r = __builtin_sqrt(-precise_log(p < other ? p : other));
  const double tail = r <= 5.0 ? ratio(kNearTail, r - 1.6) : ratio(kFarTail, r - 5.0);
  const double centre = q * ratio(kCentre, 0.180625 - q * q);
  return (q < 0 ? -q : q) <= 0.425 ? centre : (q < 0 ? -tail : tail);
}

struct Normal {
  double mean, std;
  float operator()(std::uint32_t bits) const {
    // Through a signed number, which every instruction set converts.
    const double word = static_cast<double>(static_cast<std::int32_t>(bits ^ 0x80000000u)) + 0x1p31;
    return static_cast<float>(mean + std * normal_quantile((word + 0.5) * 0x1p-32));
  }
};

}  // namespace minidnn::MINIDNN_ISA
