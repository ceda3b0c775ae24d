#include "gemm.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "gemm_block.hpp"
#include "runtime/parallel.hpp"
#include "runtime/wait.hpp"

namespace minidnn {
namespace {

using std::ptrdiff_t;
using std::size_t;

constexpr size_t kFlopsPerThread = 200000;  // with fewer, another thread costs more than it saves

void finish(const Block& block, size_t rows, Range columns, const Epilogue& epilogue) {
  for (size_t i = 0; i < rows; ++i)
    epilogue.bias_forward(block.row(i) + columns.begin, epilogue.bias + columns.begin, columns.size(),
                          epilogue.alpha);
}

struct Grid {
  size_t rows, columns;
};

// Cost, in multiply-adds, of a float that two threads read and that one of them writes in the next step.
constexpr size_t kShared = 16;

// Cuts C into at most `threads` parts so that the largest costs least; k is never cut.
Grid choose_grid(const Table& table, const Matrix& a, const Matrix& b, size_t threads) {
  Grid best{1, 1};
  size_t least = SIZE_MAX;
  for (size_t r = 1; r <= threads; ++r) {
    const size_t c = threads / r;
    const size_t width = ceil_div(ceil_div(b.columns, table.vector_lanes), c) * table.vector_lanes;
    const size_t shared = (c > 1 ? a.rows : 0) + (r > 1 ? b.columns : 0);
    const size_t cost = ceil_div(a.rows, r) * width + kShared * shared;
    if (cost < least) least = cost, best = {r, c};
  }
  return best;
}

void in_grid(const Table& table, const Matrix& a, const Matrix& b, float* c, const Epilogue* epilogue,
             size_t threads) {
  const Grid grid = choose_grid(table, a, b, threads);
  parallel_workers(static_cast<int>(grid.rows * grid.columns), [&](int worker) {
    const auto w = static_cast<size_t>(worker);
    const Range i = part_of(a.rows, 1, w / grid.columns, grid.rows);
    const Range k{0, a.columns}, j = part_of(b.columns, table.vector_lanes, w % grid.columns, grid.columns);
    if (i.size() == 0 || j.size() == 0) return;
    const auto c_row = static_cast<ptrdiff_t>(b.columns);
    Block block(table, block_of(a, i, k), block_of(b, k, {0, b.columns}), c + i.begin * b.columns, c_row,
                false);
    block.columns(j);
    if (epilogue) finish(block, i.size(), j, *epilogue);
  });
}

// Where B is a layer's weights and A a small batch, the weights stay in each core's cache and the sums move:
// each thread keeps the rows of B that it also updates, adds its part of k to a few columns of C, and passes
// these to the next thread. Each element is still one chain over k, in order.
class Pipeline {
 public:
  static constexpr size_t kMostGroups = 64, kMostKept = 212992;  // floats of A that a core keeps

  Pipeline(const Table& table, const Matrix& b, size_t stages) : stages_(stages), columns_(b.columns) {
    width_ = ceil_div(ceil_div(columns_, kMostGroups), table.tile_columns) * table.tile_columns;
  }

  static bool pays(const Table& table, const Matrix& a, const Matrix& b, size_t threads) {
    const size_t groups = b.columns / table.tile_columns;
    return threads > 1 && b.column_stride == 1 && a.rows > table.wide_rows && 2 * a.rows <= a.columns &&
           groups >= 4 * threads && a.columns >= 64 * threads &&
           a.rows * ceil_div(a.columns, threads) <= kMostKept;
  }

  void run(const Table& table, const Matrix& a, const Matrix& b, float* c, const Epilogue* epilogue) {
    parallel_workers(static_cast<int>(stages_), [&](int worker) {
      const auto stage = static_cast<size_t>(worker);
      const Finally let_the_next_one_go{*this, stage};
      const Range k = part_of(a.columns, 1, stage, stages_), i{0, a.rows}, j{0, b.columns};
      Block block(table, block_of(a, i, k), block_of(b, k, j), c, static_cast<ptrdiff_t>(b.columns),
                  stage > 0);
      for (size_t group = 0; group * width_ < columns_; ++group) {
        const Range columns{group * width_, std::min(columns_, (group + 1) * width_)};
        wait_for(group, stage);
        block.columns(columns);
        if (epilogue && stage + 1 == stages_) finish(block, a.rows, columns, *epilogue);
        hand_on(group, stage + 1);
      }
    });
  }

 private:
  // How many stages of a group of columns are done; each counter has its own cache lines.
  struct alignas(128) Progress {
    runtime::Word stages{0};
  };

  void wait_for(size_t group, size_t stage) {
    runtime::Word& stages = handed_on_[group].stages;
    const auto done = [&] { return stages.load() >= stage; };
    if (runtime::spin(kSpins, done)) return;
    sleepers_.fetch_add(1);
    for (std::uint32_t now; (now = stages.load()) < stage;) runtime::sleep_on(stages, now);
    sleepers_.fetch_sub(1);
  }

  void hand_on(size_t group, size_t stages) {
    handed_on_[group].stages.store(static_cast<std::uint32_t>(stages));
    if (sleepers_.load()) runtime::wake(handed_on_[group].stages, static_cast<int>(stages_));
  }

  static constexpr std::chrono::microseconds kSpins{20};

  // After an exception no thread may wait forever.
  struct Finally {
    Pipeline& pipeline;
    size_t stage;
    ~Finally() {
      for (size_t group = 0; group < kMostGroups; ++group)
        if (pipeline.handed_on_[group].stages.load() <= stage) pipeline.hand_on(group, stage + 1);
    }
  };

  size_t stages_, columns_, width_;
  std::array<Progress, kMostGroups> handed_on_;
  std::atomic<int> sleepers_{0};
};

}  // namespace

void gemm(const Table& table, const Matrix& a, const Matrix& b, float* c, const Epilogue* epilogue) {
  if (a.rows == 0 || b.columns == 0) return;
  const size_t flops = 2 * a.rows * b.columns * std::max<size_t>(1, a.columns);
  const auto threads = static_cast<size_t>(threads_for(std::max<size_t>(1, flops / kFlopsPerThread)));
  if (Pipeline::pays(table, a, b, threads))
    Pipeline(table, b, threads).run(table, a, b, c, epilogue);
  else
    in_grid(table, a, b, c, epilogue, threads);
}

}  // namespace minidnn
