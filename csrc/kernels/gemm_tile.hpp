// The register tile of the matrix product: a few rows by a few vectors of C, held in registers over the whole
// k loop.
//
// Every element of C is one chain, c = fma(a[i][k], b[k][j], c) for k = 0, 1, 2, ..., so tile, blocking and
// threads do not change a bit of it.
#pragma once
#include "kernels/simd.hpp"
#include "kernels/table.hpp"

namespace minidnn::MINIDNN_ISA {

// Registers hold ROWS * VECTORS sums, VECTORS of b, and one broadcast a (AVX-512 broadcasts from memory).
constexpr int kTileVectors = 2;
constexpr int kTileRows = kRegisters == 32 ? 13 : 6;

// With few rows, registers are free for more columns, and b's rows are read in longer pieces.
constexpr int kWideVectors = 8;
constexpr int kWideRows = kRegisters == 32 ? 3 : 1;

// Columns that are little more than a tile's end in one wide tile of half the rows: a tile of one vector has
// too few sums to hide the latency of a multiply-add.
constexpr int kEdgeVectors = kRegisters == 32 ? kTileVectors : kTileVectors + 1;

// Rows of b to prefetch. Rows 4 kB apart share a set of the first-level cache: more of them than the set has
// ways would evict each other before they are read. For the same reason a tile of 13 rows needs a packed.
constexpr std::ptrdiff_t kRowsAhead = kRegisters == 32 ? 8 : 4;
constexpr bool kRowsInPlace = kTileRows <= 6;
constexpr int kLineVectors = 64 / sizeof(Vector);

// Where b is read in place and a has few rows, k is cut: at most this many rows of b are streamed together.
constexpr std::size_t kFewDepth = kRegisters == 32 ? 128 : 256, kWideDepth = 16;

// From this many floats of b on, packing costs less than reading in place.
constexpr std::size_t kNear = kRegisters == 32 ? 65536 : 8192;

template <int ROWS, int VECTORS, bool PARTIAL>
void gemm_tile(const TileArgs& t) {
  constexpr int LAST = VECTORS - 1;
  const int partial = static_cast<int>(t.columns) - LAST * kVectorLanes;  // lanes in use in the last vector
  float* const to = t.c;  // copies, since stores to c might change t
  const std::ptrdiff_t c_row = t.c_row, a_row = t.a_row, a_k = t.a_k, b_k = t.b_k, ahead = t.ahead;
  Vector c[ROWS][VECTORS] = {};
  if (t.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < VECTORS; ++v) {
        const float* p = to + i * c_row + v * kVectorLanes;
        if (PARTIAL && v == LAST && kMaskedLoads)
          c[i][v] = load_first(p, partial);
        else if (PARTIAL && v == LAST)
          for (int l = 0; l < partial; ++l) c[i][v][l] = p[l];
        else
          c[i][v] = load(p);
      }
    }
  }
  const float *a = t.a, *b = t.b;
#pragma GCC unroll 2
  for (std::size_t k = 0; k < t.depth; ++k, a += a_k, b += b_k) {
    // The next rows, or the same rows of the next columns: see TileArgs::ahead.
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; v += kLineVectors) __builtin_prefetch(b + ahead + v * kVectorLanes);
    Vector row[VECTORS];
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v)
      row[v] = PARTIAL && v == LAST ? load_first(b + v * kVectorLanes, partial) : load(b + v * kVectorLanes);
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
      const Vector x = broadcast(a[i * a_row]);
#pragma GCC unroll 8
      for (int v = 0; v < VECTORS; ++v) c[i][v] = fused_multiply_add(x, row[v], c[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) {
      float* p = to + i * c_row + v * kVectorLanes;
      if (PARTIAL && v == LAST)
        store_first(p, c[i][v], partial);
      else
        store(p, c[i][v]);
    }
  }
}

// As many vectors as the columns need, more than a usual tile has.
template <int ROWS, int VECTORS>
MINIDNN_INLINE void wide_tile(const TileArgs& t) {
  if constexpr (VECTORS > kTileVectors) {
    if (t.columns <= (VECTORS - 1) * kVectorLanes) return wide_tile<ROWS, VECTORS - 1>(t);
    if (t.columns == VECTORS * kVectorLanes) return gemm_tile<ROWS, VECTORS, false>(t);
    return gemm_tile<ROWS, VECTORS, true>(t);
  }
}

template <int ROWS>
MINIDNN_INLINE void edge_rows(const TileArgs& t) {
  if (t.columns == kEdgeVectors * kVectorLanes) return gemm_tile<ROWS, kEdgeVectors, false>(t);
  gemm_tile<ROWS, kEdgeVectors, true>(t);
}

// One vector more than the usual tile: first the upper, then the lower rows where registers are too few.
template <int ROWS>
MINIDNN_INLINE void edge_tile(const TileArgs& t) {
  if constexpr (ROWS * kEdgeVectors <= kTileRows * kTileVectors) {
    edge_rows<ROWS>(t);
  } else {
    constexpr int UPPER = ROWS - ROWS / 2;
    edge_rows<UPPER>(t);
    TileArgs lower = t;
    lower.a += UPPER * t.a_row;
    lower.c += UPPER * t.c_row;
    edge_rows<ROWS - UPPER>(lower);
  }
}

template <int ROWS>
void gemm_tile_of(const TileArgs& t) {
  if constexpr (ROWS <= kWideRows)
    if (t.columns > kTileVectors * kVectorLanes) return wide_tile<ROWS, kWideVectors>(t);
  if constexpr (kEdgeVectors > kTileVectors)
    if (t.columns > kTileVectors * kVectorLanes) return edge_tile<ROWS>(t);
  const bool wide = t.columns > kVectorLanes, partial = t.columns % kVectorLanes != 0;
  if (wide && partial) return gemm_tile<ROWS, 2, true>(t);
  if (wide) return gemm_tile<ROWS, 2, false>(t);
  if (partial) return gemm_tile<ROWS, 1, true>(t);
  return gemm_tile<ROWS, 1, false>(t);
}

// VECTORS vectors of the one row of c from column j on; a few rows of b.
template <int ROWS, int VECTORS>
MINIDNN_INLINE void add_rows_to(float* to, const Vector* x, const float* b, std::ptrdiff_t b_k,
                                bool accumulate) {
  Vector c[VECTORS] = {};
  if (accumulate) {
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) c[v] = load(to + v * kVectorLanes);
  }
#pragma GCC unroll 4
  for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v)
      c[v] = fused_multiply_add(x[i], load(b + i * b_k + v * kVectorLanes), c[v]);
  }
#pragma GCC unroll 4
  for (int v = 0; v < VECTORS; ++v) store(to + v * kVectorLanes, c[v]);
}

template <int ROWS>
MINIDNN_INLINE void add_rows(const TileArgs& t, const float* a, const float* b, bool accumulate) {
  constexpr std::size_t lanes = kVectorLanes, together = 4 * lanes;
  Vector x[ROWS];
  for (int i = 0; i < ROWS; ++i) x[i] = broadcast(a[i * t.a_k]);
  std::size_t j = 0;
  for (; j + together <= t.columns; j += together) add_rows_to<ROWS, 4>(t.c + j, x, b + j, t.b_k, accumulate);
  for (; j + lanes <= t.columns; j += lanes) add_rows_to<ROWS, 1>(t.c + j, x, b + j, t.b_k, accumulate);
  for (; j < t.columns; ++j) {
    float c = accumulate ? t.c[j] : 0.0f;
    for (int i = 0; i < ROWS; ++i) c = fused_multiply_add(a[i * t.a_k], b[i * t.b_k + j], c);
    t.c[j] = c;
  }
}

// One row of c: a few rows of b at a time, each read from end to end, which the hardware's prefetcher
// follows.
inline void gemm_row(const TileArgs& t) {
  constexpr std::size_t together = 4;
  const float *a = t.a, *b = t.b;
  std::size_t k = 0;
  for (; k + together <= t.depth; k += together, a += together * t.a_k, b += together * t.b_k)
    add_rows<together>(t, a, b, t.accumulate || k > 0);
  for (; k < t.depth; ++k, a += t.a_k, b += t.b_k) add_rows<1>(t, a, b, t.accumulate || k > 0);
}

template <int ROWS>
MINIDNN_INLINE void choose_rows(int rows, const TileArgs& t) {
  if (rows == ROWS) return gemm_tile_of<ROWS>(t);
  if constexpr (ROWS > 1) choose_rows<ROWS - 1>(rows, t);
}

}  // namespace minidnn::MINIDNN_ISA
