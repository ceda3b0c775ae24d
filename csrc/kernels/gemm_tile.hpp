// The register tile of the matrix product: a few rows by a few vectors of C, held in registers over the whole
// k loop.
//
// Law of the product: every element of C is one chain, c = fma(a[i][k], b[k][j], c) for k = 0, 1, 2, ...,
// whatever the tile, the blocking and the threads. So none of them can change a bit of it.
#pragma once
#include "kernels/simd.hpp"
#include "kernels/table.hpp"

namespace minidnn::MINIDNN_ISA {

// Registers hold ROWS * VECTORS sums, VECTORS of b, and one broadcast a (AVX-512 broadcasts from memory).
constexpr int kTileVectors = 2;
constexpr int kTileRows = kRegisters == 32 ? 13 : 6;

// Few rows leave registers for more columns, and b's rows are read in longer pieces.
constexpr int kWideVectors = 8;
constexpr int kWideRows = kRegisters == 32 ? 3 : 1;

constexpr std::ptrdiff_t kAhead = 16;  // rows of b to ask for in advance

template <int ROWS, int VECTORS, bool PARTIAL>
void gemm_tile(const TileArgs& t) {
  constexpr int LAST = VECTORS - 1;
  const int partial = static_cast<int>(t.columns) - LAST * kVectorLanes;  // lanes in use in the last vector
  Vector c[ROWS][VECTORS] = {};
  if (t.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < VECTORS; ++v) {
        const float* p = t.c + i * t.c_row + v * kVectorLanes;
        if (PARTIAL && v == LAST)
          for (int l = 0; l < partial; ++l) c[i][v][l] = p[l];
        else
          c[i][v] = load(p);
      }
    }
  }
  const float *a = t.a, *b = t.b;
  for (std::size_t k = 0; k < t.depth; ++k, a += t.a_k, b += t.b_k) {
    // Where b lies in place its rows are far apart, often in another core's cache: ask for them in time.
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) __builtin_prefetch(b + kAhead * t.b_k + v * kVectorLanes);
    Vector row[VECTORS];
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v)
      row[v] = PARTIAL && v == LAST ? load_first(b + v * kVectorLanes, partial) : load(b + v * kVectorLanes);
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
      const Vector x = broadcast(a[i * t.a_row]);
#pragma GCC unroll 8
      for (int v = 0; v < VECTORS; ++v) c[i][v] = fused_multiply_add(x, row[v], c[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) {
      float* p = t.c + i * t.c_row + v * kVectorLanes;
      if (PARTIAL && v == LAST)
        store_first(p, c[i][v], partial);
      else
        store(p, c[i][v]);
    }
  }
}

template <int ROWS>
void gemm_tile_of(const TileArgs& t) {
  if constexpr (ROWS <= kWideRows)
    if (t.columns == kWideVectors * kVectorLanes) return gemm_tile<ROWS, kWideVectors, false>(t);
  const bool wide = t.columns > kVectorLanes, partial = t.columns % kVectorLanes != 0;
  if (wide && partial) return gemm_tile<ROWS, 2, true>(t);
  if (wide) return gemm_tile<ROWS, 2, false>(t);
  if (partial) return gemm_tile<ROWS, 1, true>(t);
  return gemm_tile<ROWS, 1, false>(t);
}

template <int ROWS>
MINIDNN_INLINE void choose_rows(int rows, const TileArgs& t) {
  if (rows == ROWS) return gemm_tile_of<ROWS>(t);
  if constexpr (ROWS > 1) choose_rows<ROWS - 1>(rows, t);
}

}  // namespace minidnn::MINIDNN_ISA
