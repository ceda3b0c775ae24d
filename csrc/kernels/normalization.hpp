// Batch normalization (down the columns) and layer normalization (along the rows).
#pragma once
#include "kernels/rows.hpp"

namespace minidnn::MINIDNN_ISA {

MINIDNN_INLINE float inverse_deviation(float var, float eps) { return 1.0f / sqrt(var + eps); }

// Every matrix below is a band of columns of a wider one: its rows are `stride` floats apart.

MINIDNN_INLINE void batch_statistics(const float* x, float* mean, float* var, std::size_t rows,
                                     std::size_t columns, std::size_t stride) {
  const auto n = static_cast<float>(rows);
  column_reduce([=](std::size_t i, std::size_t j) { return x[i * stride + j]; }, mean, rows, columns);
  map(columns, [n](float sum) { return sum / n; }, mean, mean);
  column_reduce(
      [=](std::size_t i, std::size_t j) {
        const float centred = x[i * stride + j] - mean[j];
        return centred * centred;
      },
      var, rows, columns);
  map(columns, [n](float sum) { return sum / n; }, var, var);
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
  if (n == __builtin_inff()) {  // not as below: infinity times 0 is NaN
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
  const float m = row_sum(x, n) / count;
  const float v = reduce_row(n, [=](std::size_t j) { return (x[j] - m) * (x[j] - m); }) / count;
  const float r = inverse_deviation(v, eps);
#pragma omp simd
  for (std::size_t j = 0; j < n; ++j) y[j] = gamma[j] * ((x[j] - m) * r) + beta[j];
  *mean = m, *var = v;
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
