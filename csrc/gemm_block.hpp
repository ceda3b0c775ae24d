// One thread's part of the matrix product: cache blocks, packed panels, and the order of the tiles.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>

#include "gemm.hpp"
#include "runtime/caches.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {

inline Matrix block_of(const Matrix& m, Range rows, Range columns) {
  return {m.data + static_cast<std::ptrdiff_t>(rows.begin) * m.row_stride +
              static_cast<std::ptrdiff_t>(columns.begin) * m.column_stride,
          rows.size(), columns.size(), m.row_stride, m.column_stride};
}

namespace detail {

using std::ptrdiff_t;
using std::size_t;

// kDepth is large because every cut of k spills the accumulators, and because tiles find the next rows of
// their panels in time even in the second-level cache.
constexpr size_t kDepth = 1024;
constexpr size_t kPackRows = 8;   // rows packed together, so that they are read in order
constexpr size_t kLine = 16;      // a cache line, and the longest vector
constexpr size_t kKept = 524288;  // floats of packed A that are kept for further columns

// Rows of A and columns of B that are multiplied with each other before the next ones are read.
struct CacheBlock {
  size_t rows, columns;
};

// The general case: a packed block of A stays in the second-level cache and that of B in the third; B's
// panels are read once per block of A.
constexpr CacheBlock kFixedBlock{104, 1024};

// A read in place, or packed as a whole: both blocks stay in the second-level cache, B's in half of it.
inline CacheBlock block_in_place(const Table& table) {
  const size_t floats = runtime::second_level_cache() / sizeof(float);
  const auto whole = [](size_t n, size_t unit) { return std::max<size_t>(1, n / unit) * unit; };
  return {whole(floats * 3 / 16 / kDepth, table.tile_rows), whole(floats / 2 / kDepth, table.tile_columns)};
}

// Memory for packing, one a thread, kept for the thread's life.
inline float* workspace(size_t floats) {
  struct Free {
    void operator()(float* p) const { ::operator delete(p, std::align_val_t{64}); }
  };
  thread_local std::unique_ptr<float, Free> memory;
  thread_local size_t capacity = 0;
  if (floats > capacity) {
    memory.reset();
    capacity = 0;
    memory.reset(static_cast<float*>(::operator new(floats * sizeof(float), std::align_val_t{64})));
    capacity = floats;
  }
  return memory.get();
}

// In blocks of vectors, the rest one by one. Where a panel is narrower than a vector, a store overruns its
// column; the next store overwrites the excess.
inline void transpose_panel(const Table& table, const Matrix& m, size_t width, float* to) {
  const size_t lanes = table.vector_lanes;
  const bool mended = width <= lanes || width % lanes == 0;
  const size_t whole = m.column_stride == 1 ? m.columns / lanes * lanes : 0;
  const size_t rows = mended ? m.rows : m.rows / lanes * lanes;
  for (size_t i = 0; i < rows; i += lanes)
    for (size_t k = 0; k < whole; k += lanes)
      table.transpose_block(m.data + static_cast<ptrdiff_t>(i) * m.row_stride + k, m.row_stride,
                            std::min(lanes, m.rows - i), to + k * width + i, static_cast<ptrdiff_t>(width));
  for (size_t i = 0; i < width; ++i) {
    const float* row = m.data + static_cast<ptrdiff_t>(i) * m.row_stride;
    for (size_t k = i < ceil_div(rows, lanes) * lanes ? whole : 0; k < m.columns; ++k)
      to[k * width + i] = i < m.rows ? row[static_cast<ptrdiff_t>(k) * m.column_stride] : 0.0f;
  }
}

// Panels whose columns lie in memory as they will lie in the panel. Some rows at a time go into all panels,
// so that memory is read in order; not where a panel's last store overruns into the next panel.
inline void copy_panels(const Table& table, const Matrix& m, size_t width, float* to) {
  const size_t together = width % table.vector_lanes == 0 ? kPackRows : m.columns;
  for (size_t k = 0; k < m.columns; k += together) {
    const size_t n = std::min(together, m.columns - k);
    const float* from = m.data + static_cast<ptrdiff_t>(k) * m.column_stride;
    float* panel = to + k * width;
    for (size_t top = 0; top < m.rows; top += width, panel += width * m.columns)
      table.copy_rows(from + top, m.column_stride, std::min(width, m.rows - top), panel, width, n);
  }
}

// Rows are distributed evenly over as few tiles as possible (50 = 13 + 13 + 12 + 12), so that no tile is
// nearly empty.
class Tiles {
 public:
  Tiles(size_t rows, size_t most)
      : count_(ceil_div(rows, most)), least_(count_ ? rows / count_ : 0), taller_(rows - count_ * least_) {}
  size_t count() const { return count_; }
  Range operator[](size_t i) const {
    const size_t begin = i * least_ + std::min(i, taller_);
    return {begin, begin + least_ + (i < taller_ ? 1 : 0)};
  }

 private:
  size_t count_, least_, taller_;
};

// The same for the tiles of A, which are not all of the same height.
inline void copy_tiles(const Table& table, const Matrix& m, const Tiles& tiles, float* to) {
  const size_t last = m.columns - 1;
  for (size_t k = 0; k < m.columns; k += kPackRows) {
    const size_t n = std::min(kPackRows, m.columns - k);
    const float* from = m.data + static_cast<ptrdiff_t>(k) * m.column_stride;
    for (size_t h = 0; h < tiles.count(); ++h) {
      const Range tile = tiles[h];
      float* panel = to + tile.begin * m.columns;
      const size_t whole = std::min(n, last - k);  // the last row must not overrun into the next tile's
      table.copy_rows(from + tile.begin, m.column_stride, tile.size(), panel + k * tile.size(), tile.size(),
                      whole);
      if (whole < n)
        std::copy_n(m.data + static_cast<ptrdiff_t>(last) * m.column_stride + tile.begin, tile.size(),
                    panel + last * tile.size());
    }
  }
}

// Rewrites m as panels of `width` rows, each stored column after column: panel[k * width + i] = m[i][k]. The
// last panel is filled up with zeros.
inline void pack_panels(const Table& table, const Matrix& m, size_t width, float* to) {
  if (m.row_stride == 1) return copy_panels(table, m, width, to);
  for (size_t top = 0; top < m.rows; top += width, to += width * m.columns)
    transpose_panel(table, block_of(m, {top, std::min(m.rows, top + width)}, {0, m.columns}), width, to);
}

// A as the tiles read it: in place, or packed tile by tile.
struct Left {
  const float* data;
  ptrdiff_t row_stride, k_stride;
};

}  // namespace detail

// C = A B, or C = C + A B, for one thread; every element is one chain over k. `columns` may be called for
// parts of C one after the other.
class Block {
 public:
  Block(const Table& table, const Matrix& a, const Matrix& b, float* c, std::ptrdiff_t c_row, bool accumulate)
      : table_(table), a_(a), b_(b), c_(c), c_row_(c_row), accumulate_(accumulate) {
    const auto floats = [](const Matrix& m) {
      return static_cast<std::size_t>(std::max(m.row_stride * static_cast<std::ptrdiff_t>(m.rows),
                                               m.column_stride * static_cast<std::ptrdiff_t>(m.columns)));
    };
    const bool reused = a.rows >= 4 * table.tile_rows, far = floats(b) > table.near;
    pack_b_ = b.column_stride != 1 || (reused && far);
    const std::size_t least_depth = a.row_stride == 1 && floats(a) > table.near ? 128 : 256;
    pack_a_ = b.columns >= 4 * table.tile_columns && a.columns >= least_depth &&
              a.rows >= 2 * table.tile_rows && !(table.rows_in_place && a.column_stride == 1);
    one_row_ = a.rows == 1 && !pack_b_ && far;
    streamed_ = !pack_b_ && far && !one_row_;
    wide_ = a.rows <= table.wide_rows && !pack_b_;
    depths_ = ceil_div(a.columns, !streamed_ ? detail::kDepth : wide_ ? table.wide_depth : table.few_depth);
    keep_a_ = pack_a_ && a.rows * a.columns <= detail::kKept;
    block_ = pack_b_ && table.rows_in_place && (keep_a_ || !pack_a_) ? detail::block_in_place(table)
                                                                     : detail::kFixedBlock;
  }

  // The columns of C, whole sums; never more of them than the first time.
  void columns(Range columns) {
    for (std::size_t j = columns.begin; j < columns.end; j += block_.columns) {
      const Range some{j, std::min(columns.end, j + block_.columns)};
      for (std::size_t d = 0; d < depths_; ++d) multiply(part_of(a_.columns, 1, d, depths_), some);
      if (a_.columns == 0 && !accumulate_) clear(some);
    }
  }

  float* row(std::size_t i) const { return c_ + static_cast<std::ptrdiff_t>(i) * c_row_; }

 private:
  void multiply(Range depth, Range columns) {
    const std::size_t width = table_.tile_columns, deepest = ceil_div(a_.columns, depths_);
    const std::size_t a_floats = keep_a_ ? a_.rows * a_.columns : std::min(a_.rows, block_.rows) * deepest;
    const std::size_t room_of_a = (a_floats / detail::kLine + 2) * detail::kLine;  // a vector may be spilled
    float* a_memory = detail::workspace(room_of_a + ceil_div(columns.size(), width) * width * deepest);
    float* b_memory = a_memory + room_of_a;
    const Matrix b = block_of(b_, depth, columns);
    // Tiles read whole vectors, so the partial last panel is packed even if the others are not.
    const std::size_t whole = columns.size() / width * width;
    const bool pack_edge = !pack_b_ && !table_.masked_loads && whole < columns.size();
    const std::size_t edge = edge_of(columns.size());
    if (pack_b_) {
      pack(b, {0, edge}, width, b_memory);
      pack(b, {edge, columns.size()}, table_.edge_columns, b_memory + edge * depth.size());
    }
    if (one_row_) return one_row(depth, columns, b);
    if (pack_edge) pack(b, {whole, columns.size()}, width, b_memory);
    const std::size_t in_place = pack_edge ? whole : columns.size(), wide_step = even_step(in_place);
    for (std::size_t i = 0; i < a_.rows; i += block_.rows) {
      if (blocks_++) may_stop();
      const Range rows{i, std::min(a_.rows, i + block_.rows)};
      const detail::Left a = left(rows, depth, a_memory);
      for (std::size_t j = 0, step = width; j < columns.size(); j += step) {
        const bool packed = pack_b_ || (pack_edge && j == whole);
        step = wide_ && !packed ? std::min(wide_step, in_place - j) : j == edge ? table_.edge_columns : width;
        const Range panel{columns.begin + j, std::min(columns.begin + j + step, columns.end)};
        if (packed)
          column_of_tiles(a, rows, depth, b_memory + (pack_b_ ? j * depth.size() : 0),
                          static_cast<std::ptrdiff_t>(step), panel);
        else
          column_of_tiles(a, rows, depth, b.data + j, b.row_stride, panel);
      }
    }
  }

  void one_row(Range depth, Range columns, const Matrix& b) {
    TileArgs args{};
    args.a = a_.data + static_cast<std::ptrdiff_t>(depth.begin) * a_.column_stride;
    args.a_k = a_.column_stride;
    args.b = b.data;
    args.b_k = b.row_stride;
    args.c = row(0) + columns.begin;
    args.depth = depth.size();
    args.columns = columns.size();
    args.accumulate = accumulate_ || depth.begin > 0;
    table_.gemm_row(args);
  }

  void pack(const Matrix& b, Range columns, std::size_t width, float* to) const {
    if (columns.size() > 0)
      detail::pack_panels(table_, block_of(b, {0, b.rows}, columns).transposed(), width, to);
  }

  // Columns of a wide tile, as many in each, whole vectors.
  std::size_t even_step(std::size_t columns) const {
    const std::size_t tiles = std::max<std::size_t>(1, ceil_div(columns, table_.wide_columns));
    return ceil_div(ceil_div(columns, tiles), table_.vector_lanes) * table_.vector_lanes;
  }

  // Where the last, wider tile begins; the end of the columns where there is none.
  std::size_t edge_of(std::size_t columns) const {
    const std::size_t width = table_.tile_columns, before = columns > width ? (columns - 1) / width - 1 : 0;
    const bool fits = columns > width && columns - before * width <= table_.edge_columns;
    return fits && (pack_b_ || table_.masked_loads) && !wide_ ? before * width : columns;
  }

  detail::Left left(Range rows, Range depth, float* memory) {
    const Matrix a = block_of(a_, rows, depth);
    if (!pack_a_) return {a.data, a.row_stride, a.column_stride};
    const std::size_t before = keep_a_ ? a_.rows * depth.begin + rows.begin * depth.size() : 0;
    memory += before;
    if (!keep_a_ || packed_ <= before) {
      float* to = memory;
      const bool copied = a.row_stride == 1;
      const detail::Tiles tiles(rows.size(), table_.tile_rows);
      if (copied) detail::copy_tiles(table_, a, tiles, to);
      for (std::size_t h = 0; !copied && h < tiles.count(); ++h) {
        const Range tile = tiles[h];
        detail::pack_panels(table_, block_of(a, tile, {0, a.columns}), tile.size(), to);
        to += tile.size() * a.columns;
      }
      packed_ = before + rows.size() * depth.size();
    }
    return {memory, 0, 0};
  }

  void column_of_tiles(const detail::Left& a, Range rows, Range depth, const float* b, std::ptrdiff_t b_k,
                       Range columns) {
    const detail::Tiles tiles(rows.size(), table_.tile_rows);
    for (std::size_t h = 0; h < tiles.count(); ++h) {
      const Range tile = tiles[h];
      TileArgs args{};
      args.depth = depth.size();
      args.columns = columns.size();
      args.accumulate = accumulate_ || depth.begin > 0;
      if (pack_a_) {
        args.a = a.data + tile.begin * depth.size();
        args.a_row = 1;
        args.a_k = static_cast<std::ptrdiff_t>(tile.size());
      } else {
        args.a = a.data + static_cast<std::ptrdiff_t>(tile.begin) * a.row_stride;
        args.a_row = a.row_stride;
        args.a_k = a.k_stride;
      }
      args.b = b;
      args.b_k = b_k;
      // Streamed rows lie too far apart for the hardware's prefetcher: ask for the next columns of each.
      args.ahead =
          streamed_ && !wide_ ? static_cast<std::ptrdiff_t>(columns.size()) : table_.rows_ahead * b_k;
      args.c = row(rows.begin + tile.begin) + columns.begin;
      args.c_row = c_row_;
      table_.gemm_tile(static_cast<int>(tile.size()), args);
    }
  }

  void clear(Range columns) {
    for (std::size_t i = 0; i < a_.rows; ++i) std::fill_n(row(i) + columns.begin, columns.size(), 0.0f);
  }

  const Table& table_;
  Matrix a_, b_;
  float* c_;
  std::ptrdiff_t c_row_;
  bool accumulate_, pack_a_, pack_b_, keep_a_;
  bool one_row_, wide_;  // few rows: one, without tiles | in wide tiles
  bool streamed_;        // B is read in place by several rows, and is larger than the cache
  detail::CacheBlock block_;
  std::size_t depths_;
  std::size_t blocks_ = 0;
  std::size_t packed_ = 0;  // floats of A that are packed already, where it is kept
};

}  // namespace minidnn
