// Batch normalization (down the columns) and layer normalization (along the rows).
#pragma once
#include "kernels/rows.hpp"

namespace minidnn::MINIDNN_ISA {

MINIDNN_INLINE float inverse_deviation(float var, float eps) { return 1.0f / sqrt(var + eps); }

// The two-pass formula with its correction (Chan, Golub & LeVeque 1983): `first` is a mean, taken of the
// distances to the first element and off by `rest`, the mean of x - first; squares is the mean of
// (x - first)^2, which may be infinite.
struct Statistics {
  float mean, var;
};
MINIDNN_INLINE Statistics corrected(float first, float rest, float squares) {
  const float var = squares - rest * rest;
  return {rest == rest ? first + rest : first, squares < __builtin_inff() ? (var < 0 ? 0.0f : var) : squares};
}

constexpr std::size_t kStatistics = 4 * kPartials;

// Every matrix below is a band of columns of a wider one: its rows are `stride` floats apart.

// Columns [0, width) of the band, with the sums in registers where width is known.
MINIDNN_INLINE void statistics_of_columns(const float* x, float* mean, float* var, std::size_t rows,
                                          std::size_t width, std::size_t stride) {
  const auto n = static_cast<float>(rows);
  float first[kStatistics] = {}, sums[kStatistics] = {}, squares[kStatistics] = {};
  for (std::size_t i = 0; i < rows; ++i) {
#pragma omp simd
    for (std::size_t j = 0; j < width; ++j) first[j] += x[i * stride + j] - x[j];
  }
#pragma omp simd
  for (std::size_t j = 0; j < width; ++j) first[j] = x[j] + first[j] / n;
  for (std::size_t i = 0; i < rows; ++i) {
#pragma omp simd
    for (std::size_t j = 0; j < width; ++j) {
      const float centred = x[i * stride + j] - first[j];
      sums[j] += centred, squares[j] += centred * centred;
    }
  }
#pragma omp simd
  for (std::size_t j = 0; j < width; ++j) {
    const Statistics s = corrected(first[j], sums[j] / n, squares[j] / n);
    mean[j] = s.mean, var[j] = s.var;
  }
}

MINIDNN_INLINE void batch_statistics(const float* x, float* mean, float* var, std::size_t rows,
                                     std::size_t columns, std::size_t stride) {
  std::size_t j = 0;
  for (; j + kStatistics <= columns; j += kStatistics)
    statistics_of_columns(x + j, mean + j, var + j, rows, kStatistics, stride);
  statistics_of_columns(x + j, mean + j, var + j, rows, columns - j, stride);
}

MINIDNN_INLINE void batch_norm(const float* x, const float* gamma, const float* beta, const float* mean,
                               const float* var, float eps, float* y, std::size_t rows, std::size_t columns,
                               std::size_t stride) {
  for (std::size_t i = 0, at = 0; i < rows; ++i, at += stride) {
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j)
      y[at + j] = gamma[j] * ((x[at + j] - mean[j]) * inverse_deviation(var[j], eps)) + beta[j];
  }
}

MINIDNN_INLINE void batch_norm_sums(const float* dy, const float* x, const float* mean, const float* var,
                                    float eps, float* dgamma, float* dbeta, std::size_t rows,
                                    std::size_t columns, std::size_t stride) {
  column_reduce(
      [=](std::size_t i, std::size_t j) {
        const std::size_t at = i * stride + j;
        return dy[at] * ((x[at] - mean[j]) * inverse_deviation(var[j], eps));
      },
      dgamma, rows, columns);
  column_reduce([=](std::size_t i, std::size_t j) { return dy[i * stride + j]; }, dbeta, rows, columns);
}

// With n the number of rows where mean and var came from this very batch, else infinite: they are constants.
MINIDNN_INLINE void batch_norm_backward(const float* dy, const float* x, const float* gamma,
                                        const float* mean, const float* var, float eps, const float* dgamma,
                                        const float* dbeta, float n, float* dx, std::size_t rows,
                                        std::size_t columns, std::size_t stride) {
  if (n == __builtin_inff()) {  // the formula below would give NaN: infinity times 0
    for (std::size_t i = 0, at = 0; i < rows; ++i, at += stride) {
#pragma omp simd
      for (std::size_t j = 0; j < columns; ++j)
        dx[at + j] = gamma[j] * inverse_deviation(var[j], eps) * dy[at + j];
    }
    return;
  }
  for (std::size_t i = 0, at = 0; i < rows; ++i, at += stride) {
#pragma omp simd
    for (std::size_t j = 0; j < columns; ++j) {
      const float r = inverse_deviation(var[j], eps), normal = (x[at + j] - mean[j]) * r;
      dx[at + j] = gamma[j] * r * (dy[at + j] - dbeta[j] / n - normal * (dgamma[j] / n));
    }
  }
}

MINIDNN_INLINE void layer_norm_row(const float* x, const float* gamma, const float* beta, float eps, float* y,
                                   float* mean, float* var, std::size_t n) {
  const auto count = static_cast<float>(n);
  const float first = x[0] + reduce_row(n, [=](std::size_t j) { return x[j] - x[0]; }) / count;
  float sums[kPartials] = {}, squares[kPartials] = {};
  for_partials(n, [&](std::size_t j, std::size_t l) {
    const float centred = x[j] - first;
    sums[l] += centred, squares[l] += centred * centred;
  });
  const Statistics s = corrected(first, sum_of_partials(sums) / count, sum_of_partials(squares) / count);
  const float m = s.mean, r = inverse_deviation(s.var, eps);
#pragma omp simd
  for (std::size_t j = 0; j < n; ++j) y[j] = gamma[j] * ((x[j] - m) * r) + beta[j];
  *mean = m, *var = s.var;
}

MINIDNN_INLINE void layer_norm_backward_row(const float* dy, const float* x, const float* gamma, float mean,
                                            float var, float eps, float* dx, std::size_t n) {
  const auto count = static_cast<float>(n);
  const float r = inverse_deviation(var, eps);
  const float sum = reduce_row(n, [=](std::size_t j) { return gamma[j] * dy[j]; }) / count;
  const float inner =
      reduce_row(n, [=](std::size_t j) { return gamma[j] * dy[j] * ((x[j] - mean) * r); }) / count;
#pragma omp simd
  for (std::size_t j = 0; j < n; ++j) dx[j] = r * (gamma[j] * dy[j] - sum - (x[j] - mean) * r * inner);
}

// dgamma and dbeta of a band of columns, from the means and variances of the rows.
MINIDNN_INLINE void layer_norm_sums(const float* dy, const float* x, const float* mean, const float* var,
                                    float eps, float* dgamma, float* dbeta, std::size_t rows,
                                    std::size_t columns, std::size_t stride) {
  column_reduce(
      [=](std::size_t i, std::size_t j) {
        const std::size_t at = i * stride + j;
        return dy[at] * ((x[at] - mean[i]) * inverse_deviation(var[i], eps));
      },
      dgamma, rows, columns);
  column_reduce([=](std::size_t i, std::size_t j) { return dy[i * stride + j]; }, dbeta, rows, columns);
}

}  // namespace minidnn::MINIDNN_ISA
