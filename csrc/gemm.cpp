#include "gemm.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>

#include "parallel.hpp"

namespace minidnn {
namespace {

using std::ptrdiff_t;
using std::size_t;

// Cache blocks, in floats: a panel of A (13 x kDepth) lives in the first-level cache, the packed block of A
// in the second, the packed block of B in the second or third.
constexpr size_t kDepth = 384, kRows = 260, kColumns = 1024;

constexpr size_t kFlopsPerThread = 200000;  // below this another thread costs more than it saves

size_t ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }

// Memory for packing, one a thread, kept for the thread's life.
float* workspace(size_t floats) {
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

struct Range {
  size_t begin, end;
  size_t size() const { return end - begin; }
};

// Part i of n equal parts of [0, size), cut at multiples of unit.
Range part(size_t size, size_t unit, size_t i, size_t n) {
  const size_t units = ceil_div(size, unit);
  return {std::min(size, units * i / n * unit), std::min(size, units * (i + 1) / n * unit)};
}

Matrix block_of(const Matrix& m, Range rows, Range columns) {
  return {m.data + static_cast<ptrdiff_t>(rows.begin) * m.row_stride +
              static_cast<ptrdiff_t>(columns.begin) * m.column_stride,
          rows.size(), columns.size(), m.row_stride, m.column_stride};
}

void copy_panel(const Matrix& m, size_t width, float* to) {
  const float* from = m.data;
  for (size_t k = 0; k < m.columns; ++k, from += m.column_stride, to += width) {
    std::copy_n(from, m.rows, to);
    std::fill(to + m.rows, to + width, 0.0f);
  }
}

// Whole blocks in vectors, what is left one by one.
void transpose_panel(const Table& table, const Matrix& m, size_t width, float* to) {
  const size_t lanes = table.vector_lanes;
  const bool blocks = m.column_stride == 1;
  const size_t whole_rows = blocks ? m.rows / lanes * lanes : 0, whole = m.columns / lanes * lanes;
  for (size_t i = 0; i < whole_rows; i += lanes)
    for (size_t k = 0; k < whole; k += lanes)
      table.transpose_block(m.data + static_cast<ptrdiff_t>(i) * m.row_stride + k, m.row_stride,
                            to + k * width + i, static_cast<ptrdiff_t>(width));
  for (size_t i = 0; i < width; ++i) {
    const float* row = m.data + static_cast<ptrdiff_t>(i) * m.row_stride;
    for (size_t k = i < whole_rows ? whole : 0; k < m.columns; ++k)
      to[k * width + i] = i < m.rows ? row[static_cast<ptrdiff_t>(k) * m.column_stride] : 0.0f;
  }
}

// Rewrites m as panels of `width` rows, each stored column after column: panel[k * width + i] = m[i][k]. The
// last panel is filled up with zeros.
void pack_panels(const Table& table, const Matrix& m, size_t width, float* to) {
  for (size_t top = 0; top < m.rows; top += width, to += width * m.columns) {
    const size_t rows = std::min(width, m.rows - top);
    const Matrix panel = block_of(m, {top, top + rows}, {0, m.columns});
    if (m.row_stride == 1)
      copy_panel(panel, width, to);
    else
      transpose_panel(table, panel, width, to);
  }
}

// Panels of one operand as the tile reads them, packed or where they lie.
struct Panels {
  const float* data;
  ptrdiff_t panel_stride, row_stride, k_stride;
};

// One thread's part of C.
class Block {
 public:
  Block(const Table& table, const Matrix& a, const Matrix& b, float* c, ptrdiff_t c_row,
        const Epilogue* epilogue)
      : table_(table), a_(a), b_(b), c_(c), c_row_(c_row), epilogue_(epilogue) {
    const bool reused = a.rows >= 4 * table.tile_rows,
               far = b.row_stride * static_cast<ptrdiff_t>(b.rows) > 65536;
    pack_b_ = b.column_stride != 1 || (reused && far);
    pack_a_ = b.columns >= 4 * table.tile_columns && a.columns >= 256 && a.rows >= 2 * table.tile_rows;
    depth_ = std::min(kDepth, a.columns);
  }

  void run() {
    for (size_t j = 0; j < b_.columns; j += kColumns) {
      const Range columns{j, std::min(b_.columns, j + kColumns)};
      for (size_t k = 0; k < a_.columns; k += kDepth)
        multiply({k, std::min(a_.columns, k + kDepth)}, columns);
      if (a_.columns == 0) clear(columns);
      if (epilogue_) finish(columns);
    }
  }

 private:
  void multiply(Range depth, Range columns) {
    const size_t width = table_.tile_columns;
    const size_t b_floats = ceil_div(std::min(kColumns, b_.columns), width) * width * depth_;
    const size_t a_floats = (kRows + table_.tile_rows) * depth_;
    float* memory = workspace(a_floats + b_floats);
    const Matrix b = block_of(b_, depth, columns);
    // Where vectors are read whole, the partial last panel is packed even if the others are not.
    const size_t whole = columns.size() / width * width;
    const bool pack_edge = !pack_b_ && !table_.masked_loads && whole < columns.size();
    if (pack_b_) pack_panels(table_, b.transposed(), width, memory + a_floats);
    if (pack_edge)
      pack_panels(table_, block_of(b, {0, depth.size()}, {whole, columns.size()}).transposed(), width,
                  memory + a_floats);
    const Panels in_place{b.data, static_cast<ptrdiff_t>(width), 1, b.row_stride};
    const Panels packed{memory + a_floats, static_cast<ptrdiff_t>(width * depth.size()), 1,
                        static_cast<ptrdiff_t>(width)};
    for (size_t i = 0; i < a_.rows; i += kRows) {
      if (blocks_++) may_stop();
      const Range rows{i, std::min(a_.rows, i + kRows)};
      const Matrix a = block_of(a_, rows, depth);
      const size_t heights = ceil_div(rows.size(), table_.tile_rows);
      Panels a_panels{a.data, 0, a.row_stride, a.column_stride};
      if (pack_a_) {
        pack_rows(a, heights, memory);
        a_panels = {memory, 0, 0, 0};
      }
      for (size_t column = 0; column < columns.size(); column += width) {
        const bool edge = pack_edge && column == whole;
        const Panels& from = pack_b_ || edge ? packed : in_place;
        const float* b_panel =
            from.data + (edge ? 0 : static_cast<ptrdiff_t>(column / width) * from.panel_stride);
        column_of_tiles(a_panels, rows, heights, depth, b_panel, from.k_stride,
                        {columns.begin + column, std::min(columns.begin + column + width, columns.end)});
      }
    }
  }

  // Rows are dealt out to tiles evenly (50 = 13 + 13 + 12 + 12), so that no tile is nearly empty.
  void pack_rows(const Matrix& a, size_t heights, float* to) {
    for (size_t h = 0; h < heights; ++h) {
      const Range rows = part(a.rows, 1, h, heights);
      pack_panels(table_, block_of(a, rows, {0, a.columns}), rows.size(), to);
      to += rows.size() * a.columns;
    }
  }

  void column_of_tiles(const Panels& a, Range rows, size_t heights, Range depth, const float* b,
                       ptrdiff_t b_k, Range columns) {
    for (size_t h = 0; h < heights; ++h) {
      const Range tile = part(rows.size(), 1, h, heights);
      TileArgs args{};
      args.depth = depth.size();
      args.columns = columns.size();
      args.accumulate = depth.begin > 0;
      if (pack_a_) {
        args.a = a.data + tile.begin * depth.size();
        args.a_row = 1;
        args.a_k = static_cast<ptrdiff_t>(tile.size());
      } else {
        args.a = a.data + static_cast<ptrdiff_t>(tile.begin) * a.row_stride;
        args.a_row = a.row_stride;
        args.a_k = a.k_stride;
      }
      args.b = b;
      args.b_k = b_k;
      args.c = row(rows.begin + tile.begin) + columns.begin;
      args.c_row = c_row_;
      table_.gemm_tile(static_cast<int>(tile.size()), args);
    }
  }

  float* row(size_t i) const { return c_ + static_cast<ptrdiff_t>(i) * c_row_; }

  void clear(Range columns) {
    for (size_t i = 0; i < a_.rows; ++i) std::fill_n(row(i) + columns.begin, columns.size(), 0.0f);
  }

  void finish(Range columns) {
    for (size_t i = 0; i < a_.rows; ++i)
      epilogue_->bias_forward(row(i) + columns.begin, epilogue_->bias + columns.begin, columns.size(),
                              epilogue_->alpha);
  }

  const Table& table_;
  Matrix a_, b_;
  float* c_;
  ptrdiff_t c_row_;
  const Epilogue* epilogue_;
  bool pack_a_, pack_b_;
  size_t depth_, blocks_ = 0;
};

struct Grid {
  size_t rows, columns;
};

// Cuts C into at most `threads` parts so that the largest is as small as possible; k is never cut.
Grid choose_grid(const Table& table, size_t rows, size_t columns, size_t threads) {
  Grid best{1, 1};
  size_t least = SIZE_MAX;
  for (size_t r = 1; r <= threads; ++r) {
    const size_t c = threads / r;
    const size_t width = ceil_div(ceil_div(columns, table.vector_lanes), c) * table.vector_lanes;
    const size_t cost = ceil_div(rows, r) * width;
    if (cost < least) least = cost, best = {r, c};
  }
  return best;
}

}  // namespace

void gemm(const Table& table, const Matrix& a, const Matrix& b, float* c, const Epilogue* epilogue) {
  const size_t rows = a.rows, columns = b.columns;
  if (rows == 0 || columns == 0) return;
  const size_t flops = 2 * rows * columns * std::max<size_t>(1, a.columns);
  const auto threads = static_cast<size_t>(threads_for(std::max<size_t>(1, flops / kFlopsPerThread)));
  const Grid grid = choose_grid(table, rows, columns, threads);
  parallel_workers(static_cast<int>(grid.rows * grid.columns), [&](int worker) {
    const auto w = static_cast<size_t>(worker);
    const Range r = part(rows, 1, w / grid.columns, grid.rows);
    const Range k{0, a.columns}, j = part(columns, table.vector_lanes, w % grid.columns, grid.columns);
    if (r.size() == 0 || j.size() == 0) return;
    Epilogue shifted{};
    if (epilogue) shifted = {epilogue->bias_forward, epilogue->bias + j.begin, epilogue->alpha};
    Block(table, block_of(a, r, k), block_of(b, k, j), c + r.begin * columns + j.begin,
          static_cast<ptrdiff_t>(columns), epilogue ? &shifted : nullptr)
        .run();
  });
}

}  // namespace minidnn
