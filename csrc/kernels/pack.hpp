// Packs the product's factors for its tiles: copies rows, or transposes square blocks.
#pragma once
#include "kernels/simd.hpp"

namespace minidnn::MINIDNN_ISA {

// Copies n rows of `count` floats, from_row apart, to rows of `width`, padded with zeros. Where a row is
// narrower than a vector, the last store overruns it; the next row overwrites the excess.
inline void copy_rows(const float* from, std::ptrdiff_t from_row, std::size_t count, float* to,
                      std::size_t width, std::size_t n) {
  constexpr std::size_t lanes = kVectorLanes;
  if (count == width && width == 2 * lanes) {
    for (std::size_t k = 0; k < n; ++k, from += from_row, to += width) {
      __builtin_prefetch(from + 2 * width);
      store(to, load(from));
      store(to + lanes, load(from + lanes));
    }
    return;
  }
  if (kMaskedLoads && count == width && width < lanes) {
    for (std::size_t k = 0; k < n; ++k, from += from_row, to += width)
      store(to, load_first(from, static_cast<int>(width)));
    return;
  }
  const bool overrun = kMaskedLoads && (width <= lanes || width % lanes == 0);
  for (std::size_t k = 0; k < n; ++k, from += from_row, to += width) {
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) store(to + i, load(from + i));
    if (overrun && i < count) {
      store(to + i, load_first(from + i, static_cast<int>(count - i)));
      i += lanes;
    }
    for (; i < width; ++i) to[i] = i < count ? from[i] : 0.0f;
  }
}

// 0, 1, ..., lanes - 1 as a list of types; kernels must not include <utility> (rule 2).
template <int... L>
struct Places {};
template <int N, int... L>
struct Count : Count<N - 1, N - 1, L...> {};
template <int... L>
struct Count<0, L...> {
  using type = Places<L...>;
};
using AllPlaces = typename Count<kVectorLanes>::type;

// Lane l of the result is lane `Lane::at(l)` of the pair (a, b); b's lanes are numbered after a's.
#if defined(__clang__)
template <class Lane, int... L>
MINIDNN_INLINE Vector take_lanes(Vector a, Vector b, Places<L...>) {
  return __builtin_shufflevector(a, b, Lane::at(L)...);
}
#else
template <class Lane, int... L>
MINIDNN_INLINE Vector take_lanes(Vector a, Vector b, Places<L...>) {
  typedef std::int32_t Indices __attribute__((vector_size(kVectorLanes * 4)));
  return __builtin_shuffle(a, b, Indices{Lane::at(L)...});
}
#endif

// The two halves of an exchange between rows that are STEP apart.
template <int STEP>
struct Low {
  static constexpr int at(int l) { return l & STEP ? kVectorLanes + l - STEP : l; }
};
template <int STEP>
struct High {
  static constexpr int at(int l) { return l & STEP ? kVectorLanes + l : l + STEP; }
};

// Exchanges the off-diagonal halves of every 2*STEP by 2*STEP block: log2(lanes) such passes transpose.
template <int STEP>
MINIDNN_INLINE void exchange(Vector* rows) {
#pragma GCC unroll 16
  for (int i = 0; i < kVectorLanes; ++i) {
    if (i & STEP) continue;
    const Vector a = rows[i], b = rows[i + STEP];
    rows[i] = take_lanes<Low<STEP>>(a, b, AllPlaces{});
    rows[i + STEP] = take_lanes<High<STEP>>(a, b, AllPlaces{});
  }
}

// to[k][i] = from[i][k] for `count` rows of a vector each; the others count as zeros. Writes whole vectors, k
// after k.
inline void transpose_block(const float* from, std::ptrdiff_t from_row, std::size_t count, float* to,
                            std::ptrdiff_t to_row) {
  Vector rows[kVectorLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kVectorLanes; ++i)
    rows[i] = static_cast<std::size_t>(i) < count ? load(from + i * from_row) : Vector{};
  exchange<1>(rows);
  exchange<2>(rows);
  if constexpr (kVectorLanes > 4) exchange<4>(rows);
  if constexpr (kVectorLanes > 8) exchange<8>(rows);
#pragma GCC unroll 16
  for (int i = 0; i < kVectorLanes; ++i) store(to + i * to_row, rows[i]);
}

}  // namespace minidnn::MINIDNN_ISA
