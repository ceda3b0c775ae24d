// Sparse weights times dense inputs. Every sum is the chain of the dense product, c = fma(x[k], w[k][j], c)
// for k = 0, 1, 2, ..., with the steps left out whose weight is 0: they would not change c. So each form
// below gives the same bits, and which one runs is a question of speed alone.
#pragma once
#include "kernels/storage.hpp"
#include "kernels/table.hpp"

namespace minidnn::MINIDNN_ISA {

// Many inputs at once, in columns: x is (n_in, VECTORS * kVectorLanes), y is (columns, VECTORS *
// kVectorLanes). Each weight is multiplied by vectors of as many inputs.
template <class S, int VECTORS>
MINIDNN_INLINE void sparse_tile(const Columns& w, std::size_t begin, std::size_t end,
                                const typename S::Sum* x, typename S::Sum* y) {
  constexpr std::size_t kWidth = VECTORS * kVectorLanes;
  const auto* values = static_cast<const typename S::Value*>(w.values);
  for (std::size_t j = begin; j < end; ++j) {
    typename S::Sums c[VECTORS] = {};
    for (std::size_t i = w.starts[j]; i < w.starts[j + 1]; ++i) {
      const typename S::Sum* row = x + w.rows[i] * kWidth;
      const typename S::Sums value = S::all(values + i);
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v)
        c[v] = S::multiply_add(load_sums<S>(row + v * kVectorLanes), value, c[v]);
    }
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) store_sums<S>(y + j * kWidth + v * kVectorLanes, c[v]);
  }
}

template <class S>
void sparse_tile_of(const Columns& w, std::size_t begin, std::size_t end, const void* x, void* y,
                    int vectors) {
  const auto* from = static_cast<const typename S::Sum*>(x);
  auto* to = static_cast<typename S::Sum*>(y);
  if (vectors == 4) return sparse_tile<S, 4>(w, begin, end, from, to);
  if (vectors == 2) return sparse_tile<S, 2>(w, begin, end, from, to);
  return sparse_tile<S, 1>(w, begin, end, from, to);
}

// One input: four columns side by side, as a sum must wait for the sum before it.
template <class S>
void sparse_vector(const Columns& w, std::size_t begin, std::size_t end, const void* inputs, void* outputs) {
  constexpr int kTogether = 4;
  const auto* x = static_cast<const typename S::Sum*>(inputs);
  auto* y = static_cast<typename S::Sum*>(outputs);
  const auto* values = static_cast<const typename S::Value*>(w.values);
  const auto step = [&](std::size_t i, typename S::Sum c) {
    return S::multiply_add(x[w.rows[i]], S::one(values + i), c);
  };
  for (std::size_t j = begin; j < end; j += kTogether) {
    const int columns = static_cast<int>(end - j < kTogether ? end - j : kTogether);
    typename S::Sum c[kTogether] = {};
    std::size_t shared = columns == kTogether ? w.starts[j + 1] - w.starts[j] : 0;
    for (int l = 1; l < columns; ++l) {
      const std::size_t count = w.starts[j + l + 1] - w.starts[j + l];
      shared = count < shared ? count : shared;
    }
    for (std::size_t i = 0; i < shared; ++i)
      for (int l = 0; l < kTogether; ++l) c[l] = step(w.starts[j + l] + i, c[l]);
    for (int l = 0; l < columns; ++l) {
      for (std::size_t i = w.starts[j + l] + shared; i < w.starts[j + l + 1]; ++i) c[l] = step(i, c[l]);
      y[j + l] = c[l];
    }
  }
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
  return {sparse_tile_of<S>, sparse_vector<S>, sparse_windows<S>};
}

}  // namespace minidnn::MINIDNN_ISA
