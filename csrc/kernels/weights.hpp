// Norms and penalties of weights, and scaling to a norm.
#pragma once
#include "kernels/rows.hpp"

namespace minidnn::MINIDNN_ISA {

// A sum in double of f(i): 16 partial sums side by side, then one after the other.
template <class F>
MINIDNN_INLINE double double_sum(std::size_t n, F f) {
  double partials[kPartials] = {};
  std::size_t i = 0;
  for (; i + kPartials <= n; i += kPartials) {
    for (std::size_t l = 0; l < kPartials; ++l) partials[l] += static_cast<double>(f(i + l));
  }
  for (std::size_t l = 0; i < n; ++i, ++l) partials[l] += static_cast<double>(f(i));
  double sum = 0;
  for (const double partial : partials) sum += partial;
  return sum;
}

MINIDNN_INLINE float magnitude(float x) { return x < 0 ? -x : x; }
MINIDNN_INLINE float sign(float x) { return x > 0 ? 1.0f : (x < 0 ? -1.0f : 0.0f); }

// The factor for a column or row with this sum of squares.
struct MaxNorm {
  float limit;
  float operator()(float squares) const {
    const float norm = sqrt(squares);
    return limit / (norm < limit ? limit : norm);  // NaN where the norm is
  }
};
struct UnitNorm {
  float operator()(float squares) const { return squares > 0 ? 1.0f / sqrt(squares) : 1.0f; }
};

template <class F>
MINIDNN_INLINE void rescale_rows(float* w, std::size_t rows, std::size_t columns, F f) {
  for (std::size_t i = 0; i < rows; ++i, w += columns) {
    const float factor = f(dot(w, w, columns));
    map(columns, [factor](float v) { return v * factor; }, w, w);
  }
}

// A band of columns of a wider matrix, whose rows are `stride` floats apart; factors has room for one float
// per column.
template <class F>
MINIDNN_INLINE void rescale_columns(float* w, float* factors, std::size_t rows, std::size_t columns,
                                    std::size_t stride, F f) {
  column_reduce([=](std::size_t i, std::size_t j) { return w[i * stride + j] * w[i * stride + j]; }, factors,
                rows, columns);
  map(columns, f, factors, factors);
  for (std::size_t i = 0; i < rows; ++i)
    map(columns, [](float v, float factor) { return v * factor; }, w + i * stride, factors, w + i * stride);
}

}  // namespace minidnn::MINIDNN_ISA
