// Sums and softmax along the rows of a matrix, and sums down its columns. Every sum has one fixed order:
// along a row 16 partial sums side by side, then halved; down a column row after row.
#pragma once
#include <cstdint>

#include "kernels/exp.hpp"

namespace minidnn::MINIDNN_ISA {

constexpr std::size_t kPartials = 16;
typedef float Partials __attribute__((vector_size(kPartials * 4)));
typedef float UnalignedPartials __attribute__((vector_size(kPartials * 4), aligned(4), may_alias));

MINIDNN_INLINE float sum_of_partials(float* s) {
  for (std::size_t half = kPartials / 2; half > 0; half /= 2)
    for (std::size_t i = 0; i < half; ++i) s[i] += s[i + half];
  return s[0];
}

// f(i, l) for every i of a row, which it adds to partial sum l.
template <class F>
MINIDNN_INLINE void for_partials(std::size_t n, F f) {
  std::size_t i = 0;
  for (; i + kPartials <= n; i += kPartials) {
#pragma omp simd
    for (std::size_t l = 0; l < kPartials; ++l) f(i + l, l);
  }
  for (std::size_t l = 0; i < n; ++i, ++l) f(i, l);
}

// The sum of f(i) over a row.
template <class F>
MINIDNN_INLINE float reduce_row(std::size_t n, F f) {
  float partials[kPartials] = {};
  for_partials(n, [&](std::size_t i, std::size_t l) { partials[l] += f(i); });
  return sum_of_partials(partials);
}

MINIDNN_INLINE float row_sum(const float* x, std::size_t n) {
  return reduce_row(n, [x](std::size_t i) { return x[i]; });
}

MINIDNN_INLINE float dot(const float* x, const float* y, std::size_t n) {
  return reduce_row(n, [x, y](std::size_t i) { return x[i] * y[i]; });
}

// May miss a NaN: a NaN makes the sum of exponentials NaN, and with it the whole row.
MINIDNN_INLINE float row_max(const float* x, std::size_t n) {
  float largest = x[0];
  std::size_t i = 0;
  if (n >= kPartials) {
    Partials partials = *reinterpret_cast<const UnalignedPartials*>(x);
    for (i = kPartials; i + kPartials <= n; i += kPartials) {
      const Partials v = *reinterpret_cast<const UnalignedPartials*>(x + i);
      partials = v > partials ? v : partials;
    }
    for (std::size_t l = 0; l < kPartials; ++l) largest = partials[l] > largest ? partials[l] : largest;
  }
  for (; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

// y = exp(x - max(x)); returns the sum of y.
MINIDNN_INLINE float shifted_exp(const float* x, float* y, std::size_t n, float largest) {
  map(n, [largest](float v) { return exp(v - largest); }, x, y);
  return row_sum(y, n);
}

MINIDNN_INLINE void softmax_row(const float* x, float* y, std::size_t n) {
  const float sum = shifted_exp(x, y, n, row_max(x, n));
  map(n, [sum](float v) { return v / sum; }, y, y);
}

MINIDNN_INLINE void softmax_backward_row(const float* dy, const float* y, float* dx, std::size_t n) {
  const float inner = dot(dy, y, n);
  map(n, [inner](float d, float p) { return p * (d - inner); }, dy, y, dx);
}

MINIDNN_INLINE void log_softmax_row(const float* x, float* y, std::size_t n) {
  const float largest = row_max(x, n), log_sum = log(shifted_exp(x, y, n, largest));
  map(n, [=](float v) { return (v - largest) - log_sum; }, x, y);
}

MINIDNN_INLINE void log_softmax_backward_row(const float* dy, const float* y, float* dx, std::size_t n) {
  const float sum = row_sum(dy, n);
  map(n, [sum](float d, float v) { return d - exp(v) * sum; }, dy, y, dx);
}

// loss = log(sum(exp(x))) - x[label] and its gradient, softmax(x) - onehot(label), in one pass.
MINIDNN_INLINE float softmax_cross_entropy_row(const float* x, std::int64_t label, float* dx, std::size_t n) {
  const float largest = row_max(x, n), sum = shifted_exp(x, dx, n, largest);
  map(n, [sum](float v) { return v / sum; }, dx, dx);
  dx[label] -= 1.0f;
  return log(sum) - (x[label] - largest);
}

template <class F>
MINIDNN_INLINE void column_reduce(F f, float* sums, std::size_t rows, std::size_t columns) {
  for (std::size_t j = 0; j < columns; ++j) sums[j] = 0.0f;
  for (std::size_t i = 0; i < rows; ++i) {
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) sums[j] += f(i, j);
  }
}

}  // namespace minidnn::MINIDNN_ISA
