// A square block of floats, as wide as a vector, with rows and columns exchanged.
#pragma once
#include "kernels/simd.hpp"

namespace minidnn::MINIDNN_ISA {

#if defined(__GNUC__) && !defined(__clang__)

typedef std::int32_t Places __attribute__((vector_size(kVectorLanes * 4)));

// Exchanges the off-diagonal halves of every 2*STEP by 2*STEP block: log2(lanes) such passes transpose.
template <int STEP>
MINIDNN_INLINE void exchange(Vector* rows) {
  Places low{}, high{};  // of the pair (a, b): b's lanes are counted on from a's
#pragma GCC unroll 16
  for (int l = 0; l < kVectorLanes; ++l) {
    low[l] = l & STEP ? kVectorLanes + l - STEP : l;
    high[l] = l & STEP ? kVectorLanes + l : l + STEP;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kVectorLanes; ++i) {
    if (i & STEP) continue;
    const Vector a = rows[i], b = rows[i + STEP];
    rows[i] = __builtin_shuffle(a, b, low);
    rows[i + STEP] = __builtin_shuffle(a, b, high);
  }
}

inline void transpose_block(const float* from, std::ptrdiff_t from_row, float* to, std::ptrdiff_t to_row) {
  Vector rows[kVectorLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kVectorLanes; ++i) rows[i] = load(from + i * from_row);
  exchange<1>(rows);
  exchange<2>(rows);
  if constexpr (kVectorLanes > 4) exchange<4>(rows);
  if constexpr (kVectorLanes > 8) exchange<8>(rows);
#pragma GCC unroll 16
  for (int i = 0; i < kVectorLanes; ++i) store(to + i * to_row, rows[i]);
}

#else

inline void transpose_block(const float* from, std::ptrdiff_t from_row, float* to, std::ptrdiff_t to_row) {
  for (int i = 0; i < kVectorLanes; ++i)
    for (int j = 0; j < kVectorLanes; ++j) to[j * to_row + i] = from[i * from_row + j];
}

#endif

}  // namespace minidnn::MINIDNN_ISA
