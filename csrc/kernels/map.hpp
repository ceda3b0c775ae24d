// The loops. Each applies one formula object to every element; the compiler turns the body into vectors and
// the tail into the same arithmetic on single floats, so an element's value never depends on where it lies.
#pragma once
#include <cstddef>

#define MINIDNN_INLINE inline __attribute__((always_inline))

namespace minidnn::MINIDNN_ISA {

// In-place calls (y == x) are welcome: element i is read before it is written, and no other element is
// touched.
template <class F>
MINIDNN_INLINE void map(std::size_t n, F f, const float* x, float* y) {
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) y[i] = f(x[i]);
}

template <class F>
MINIDNN_INLINE void map(std::size_t n, F f, const float* x1, const float* x2, float* y) {
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) y[i] = f(x1[i], x2[i]);
}

// Optimizer updates: the parameter and its slots change where they stand.
template <class F>
MINIDNN_INLINE void update(std::size_t n, F f, float* param, const float* grad) {
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) f(param[i], grad[i]);
}

template <class F>
MINIDNN_INLINE void update(std::size_t n, F f, float* param, const float* grad, float* slot) {
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) f(param[i], grad[i], slot[i]);
}

template <class F>
MINIDNN_INLINE void update(std::size_t n, F f, float* param, const float* grad, float* slot1, float* slot2) {
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) f(param[i], grad[i], slot1[i], slot2[i]);
}

}  // namespace minidnn::MINIDNN_ISA
