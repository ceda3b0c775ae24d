// One input times dense weights that were packed once: panels of kTileVectors vectors of columns, row by row.
// The index list leaves out rows whose input is 0, since they would not change a sum.
#pragma once
#include "kernels/gemm_tile.hpp"
#include "kernels/storage.hpp"

namespace minidnn::MINIDNN_ISA {

constexpr std::size_t kPanelWidth = kTileVectors * kVectorLanes;

template <class S, int PANELS>
MINIDNN_INLINE void vector_panels(const float* x, const std::uint32_t* places, std::size_t count,
                                  const typename S::Value* w, std::size_t panel, float* y) {
  Vector c[PANELS][kTileVectors] = {};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = places[i] * kPanelWidth, ahead = places[i + kPlacesAhead] * kPanelWidth;
    const Vector value = broadcast(x[places[i]]);
#pragma GCC unroll 4
    for (int p = 0; p < PANELS; ++p) {
      const typename S::Value* from = w + p * panel;
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v) {
        __builtin_prefetch(from + ahead + v * kVectorLanes);
        c[p][v] = fused_multiply_add(value, S::load_weights(from + row + v * kVectorLanes), c[p][v]);
      }
    }
  }
  for (int p = 0; p < PANELS; ++p)
    for (int v = 0; v < kTileVectors; ++v) store(y + p * kPanelWidth + v * kVectorLanes, c[p][v]);
}

// panel: values from one panel to the next.
template <class S>
void vector_panels_of(const float* x, const std::uint32_t* places, std::size_t count, const void* weights,
                      std::size_t panel, std::size_t panels, float* y) {
  const auto* w = static_cast<const typename S::Value*>(weights);
  std::size_t p = 0;
  for (; p + 4 <= panels; p += 4, w += 4 * panel, y += 4 * kPanelWidth)
    vector_panels<S, 4>(x, places, count, w, panel, y);
  if (p + 2 <= panels) {
    vector_panels<S, 2>(x, places, count, w, panel, y);
    p += 2, w += 2 * panel, y += 2 * kPanelWidth;
  }
  if (p < panels) vector_panels<S, 1>(x, places, count, w, panel, y);
}

// The indices of the nonzero elements, ascending; returns their number.
MINIDNN_INLINE std::size_t nonzeros(const float* x, std::size_t n, std::uint32_t* places) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < n; ++i) {
    places[count] = static_cast<std::uint32_t>(i);
    count += x[i] != 0;
  }
  return count;
}

// n is a multiple of the vector.
MINIDNN_INLINE void expand_bfloat16(const std::uint16_t* from, float* to, std::size_t n) {
  for (std::size_t i = 0; i < n; i += kVectorLanes) store(to + i, Bfloat16::load_weights(from + i));
}

}  // namespace minidnn::MINIDNN_ISA
