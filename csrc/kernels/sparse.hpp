// Sparse weights times dense inputs. Every sum is the chain of the dense product, c = fma(x[k], w[k][j], c)
// for k = 0, 1, 2, ..., with the steps left out whose weight is 0: they would not change c. So each form
// below gives the same bits, and which one runs is a question of speed alone.
#pragma once
#include "kernels/storage.hpp"
#include "kernels/table.hpp"

namespace minidnn::MINIDNN_ISA {

// Columns j, j + 1, ... side by side, as each sum must wait for the sum before it. A weight is multiplied by
// VECTORS Numbers, floats or vectors of them, each of another input: x is (n_in, inputs), y is (n_out,
// inputs).
template <class S, class Number, int VECTORS, int COLUMNS>
MINIDNN_INLINE void sparse_columns(const Columns& w, std::size_t j, const typename S::Sum* x,
                                   typename S::Sum* y) {
  constexpr std::size_t kWidth = sizeof(Number) / sizeof(typename S::Sum), kInputs = VECTORS * kWidth;
  const auto* values = static_cast<const typename S::Value*>(w.values);
  Number c[COLUMNS][VECTORS] = {};
  const auto step = [&](std::size_t i, Number* sums) {
    const typename S::Sum* row = x + w.rows[i] * kInputs;
    Number value;
    if constexpr (kWidth == 1)
      value = S::one(values + i);
    else
      value = S::all(values + i);
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) {
      Number input;
      __builtin_memcpy(&input, row + v * kWidth, sizeof input);
      sums[v] = S::multiply_add(input, value, sums[v]);
    }
  };
  std::size_t shared = w.starts[j + 1] - w.starts[j];
  for (int l = 1; l < COLUMNS; ++l) {
    const std::size_t count = w.starts[j + l + 1] - w.starts[j + l];
    shared = count < shared ? count : shared;
  }
  for (std::size_t i = 0; i < shared; ++i)
#pragma GCC unroll 4
    for (int l = 0; l < COLUMNS; ++l) step(w.starts[j + l] + i, c[l]);
#pragma GCC unroll 4
  for (int l = 0; l < COLUMNS; ++l) {
    for (std::size_t i = w.starts[j + l] + shared; i < w.starts[j + l + 1]; ++i) step(i, c[l]);
    __builtin_memcpy(y + (j + l) * kInputs, c[l], sizeof c[l]);
  }
}

template <class S, class Number, int VECTORS, int COLUMNS>
MINIDNN_INLINE void sparse_product(const Columns& w, std::size_t begin, std::size_t end, const void* inputs,
                                   void* outputs) {
  const auto* x = static_cast<const typename S::Sum*>(inputs);
  auto* y = static_cast<typename S::Sum*>(outputs);
  std::size_t j = begin;
  for (; j + COLUMNS <= end; j += COLUMNS) sparse_columns<S, Number, VECTORS, COLUMNS>(w, j, x, y);
  for (; j < end; ++j) sparse_columns<S, Number, VECTORS, 1>(w, j, x, y);
}

// Many inputs at once: 1, 2 or 4 vectors of them.
template <class S>
void sparse_tile(const Columns& w, std::size_t begin, std::size_t end, const void* x, void* y, int vectors) {
  if (vectors == 4) return sparse_product<S, typename S::Sums, 4, 1>(w, begin, end, x, y);
  if (vectors == 2) return sparse_product<S, typename S::Sums, 2, 1>(w, begin, end, x, y);
  return sparse_product<S, typename S::Sums, 1, 2>(w, begin, end, x, y);
}

// One input.
template <class S>
void sparse_vector(const Columns& w, std::size_t begin, std::size_t end, const void* x, void* y) {
  sparse_product<S, typename S::Sum, 1, 4>(w, begin, end, x, y);
}

// One input, looked up in registers: at each step every column of a panel takes its next nonzero weight if it
// lies in the kLookup rows from the step's base, else a zero. AVX-512 picks 16 of 32 floats in one
// instruction; its gathers from memory take as long as 16 loads.
#if defined(__AVX512F__)
constexpr std::size_t kLookup = 2 * kVectorLanes;

MINIDNN_INLINE Integers look_up(Integers low, Integers high, Integers places) {
  asm("vpermi2d %2, %1, %0" : "+v"(places) : "v"(low), "v"(high));
  return places;
}

template <class S>
void sparse_windows(const Windows& w, std::size_t begin, std::size_t end, const void* inputs, void* outputs) {
  constexpr int kVectors = 2, kWidth = kVectors * kVectorLanes;
  const auto* x = static_cast<const std::int32_t*>(inputs);
  auto* y = static_cast<typename S::Sum*>(outputs);
  for (std::size_t p = begin; p < end; ++p) {
    typename S::Sums c[kVectors] = {};
    std::size_t s = w.starts[p];
    const auto* values = static_cast<const typename S::Value*>(w.values) + s * kWidth;
    const std::uint8_t* places = w.places + s * kWidth;
    for (; s < w.starts[p + 1]; ++s, values += kWidth, places += kWidth) {
      const std::int32_t* window = x + w.bases[s];
      const Integers low = load_sums<Int8>(window), high = load_sums<Int8>(window + kVectorLanes);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        const Integers found = look_up(low, high, widened(places + v * kVectorLanes));
        c[v] = S::multiply_add(__builtin_bit_cast(typename S::Sums, found),
                               S::load_weights(values + v * kVectorLanes), c[v]);
      }
    }
    for (int v = 0; v < kVectors; ++v) store_sums<S>(y + p * kWidth + v * kVectorLanes, c[v]);
  }
}
#else
constexpr std::size_t kLookup = 0;

template <class S>
void sparse_windows(const Windows&, std::size_t, std::size_t, const void*, void*) {}
#endif

template <class S>
constexpr Sparse sparse_kernels() {
  return {sparse_tile<S>, sparse_vector<S>, sparse_windows<S>};
}

}  // namespace minidnn::MINIDNN_ISA
