// The loops. Each applies one formula object to every element. The compiler vectorizes the body and does the
// same arithmetic on single floats in the tail, so an element's value never depends on its position.
#pragma once
#include <cstddef>

#define MINIDNN_INLINE inline __attribute__((always_inline))

namespace minidnn::MINIDNN_ISA {

MINIDNN_INLINE float sqrt(float x) { return __builtin_sqrtf(x); }

// In-place calls (y == x) are allowed: element i is read before it is written, and no other element is used.
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

// f(settings[0], settings[1], ...)
template <std::size_t...>
struct Indices {};
template <std::size_t N, std::size_t... I>
struct IndicesBelow : IndicesBelow<N - 1, N - 1, I...> {};
template <std::size_t... I>
struct IndicesBelow<0, I...> {
  using type = Indices<I...>;
};
template <class F, class... D, std::size_t... I>
F with_settings(F (*f)(D...), const double* settings, Indices<I...>) {
  return f(settings[I]...);
}
template <class F, class... D>
F with_settings(F (*f)(D...), const double* settings) {
  return with_settings(f, settings, typename IndicesBelow<sizeof...(D)>::type{});
}

// Optimizer updates: the parameter and its slots change in place. f takes a parameter, its gradient
// and one float of each slot; arrays are those of param, grad and the slots, in this order.
template <class F, class... Slots>
constexpr int slots_of(void (F::*)(float&, float, Slots&...) const) {
  return sizeof...(Slots);
}

template <class F>
MINIDNN_INLINE void update(F f, float* const* arrays, std::size_t begin, std::size_t end) {
  constexpr int slots = slots_of(&F::operator());
  float *param = arrays[0], *grad = arrays[1];
  if constexpr (slots == 0) {
#pragma omp simd
    for (std::size_t i = begin; i < end; ++i) f(param[i], grad[i]);
  } else if constexpr (slots == 1) {
    float* slot = arrays[2];
#pragma omp simd
    for (std::size_t i = begin; i < end; ++i) f(param[i], grad[i], slot[i]);
  } else if constexpr (slots == 2) {
    float *slot1 = arrays[2], *slot2 = arrays[3];
#pragma omp simd
    for (std::size_t i = begin; i < end; ++i) f(param[i], grad[i], slot1[i], slot2[i]);
  } else {
    static_assert(slots == 3);
    float *slot1 = arrays[2], *slot2 = arrays[3], *slot3 = arrays[4];
#pragma omp simd
    for (std::size_t i = begin; i < end; ++i) f(param[i], grad[i], slot1[i], slot2[i], slot3[i]);
  }
}

}  // namespace minidnn::MINIDNN_ISA
