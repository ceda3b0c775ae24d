// Cuts work into parts. A result never depends on the number of threads: callers cut their work so that one
// call of f computes each element, and each sum, completely.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "runtime/team.hpp"

namespace minidnn {

inline std::atomic<int> thread_count{1};

// Long work checks between two pieces whether to stop. The thread that began it calls `ask`, which throws to
// stop; the others check whether a thread has thrown. Null: the work cannot be stopped.
inline thread_local void (*ask)() = nullptr;
inline thread_local const std::atomic<bool>* stopped = nullptr;

struct Stopped {};

inline void may_stop() {
  if (stopped && stopped->load(std::memory_order_relaxed)) throw Stopped{};
  if (ask) ask();
}

// For work that changes its arguments: once begun it must run to the end.
inline void must_finish() { ask = nullptr; }

// The number of threads that this thread may use: that of set_num_threads, or less where OpenMP's number was
// limited after the import (as threadpoolctl does).
inline int thread_limit() {
  const int limit = thread_count.load(std::memory_order_relaxed);
#ifdef _OPENMP
  static const int at_start = omp_get_max_threads();
  const int now = omp_get_max_threads();
  if (now != at_start) return std::min(limit, now);
#endif
  return limit;
}

// How many parts a region of `pieces` pieces is cut into; at most the number of cores, since more parts could
// not run at once.
inline int threads_for(std::size_t pieces) {
  const int cores = std::min(runtime::usable_cores(), runtime::kMostParts);
  const auto limit = static_cast<std::size_t>(std::min(thread_limit(), cores));
  return static_cast<int>(std::max<std::size_t>(1, std::min(limit, pieces)));
}

// f(worker) for worker = 0 .. workers - 1, each once; see team.hpp for which thread runs which. The first
// exception is rethrown.
template <class F>
void parallel_workers(int workers, const F& f) {
#ifdef MINIDNN_THREADS
  if (workers > 1)
    return runtime::run_parts(
        workers, [](const void* context, int part) { (*static_cast<const F*>(context))(part); }, &f);
#endif
  for (int worker = 0; worker < workers; ++worker) f(worker);
}

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

struct Range {
  std::size_t begin, end;
  std::size_t size() const { return end - begin; }
};

// Part i of n equal parts of [0, size), cut at multiples of unit.
inline Range part_of(std::size_t size, std::size_t unit, std::size_t i, std::size_t n) {
  const std::size_t units = (size + unit - 1) / unit;
  return {std::min(size, units * i / n * unit), std::min(size, units * (i + 1) / n * unit)};
}

// Elements that are work enough for a thread; also the size of the chunks that sums are made of.
constexpr std::size_t kGrain = 16384;

// Elements between two cuts: cuts are the same in every kernel, so that a thread finds its half of an array
// in its own cache. Random bits come in groups of as many.
constexpr std::size_t kCut = 64;

constexpr std::size_t kPieces = 16;  // grains between two checks of `ask`

// f(begin, end) on ranges that together are [0, n). A thread gets at least about a grain; cuts fall on
// multiples of kCut or, if that is less, of the grain.
template <class F>
void parallel_for(std::size_t n, std::size_t grain, const F& f) {
  if (n == 0) return;
  const auto workers = static_cast<std::size_t>(threads_for((n + grain - 1) / grain));
  parallel_workers(static_cast<int>(workers), [&](int worker) {
    const Range mine = part_of(n, std::min(grain, kCut), static_cast<std::size_t>(worker), workers);
    for (std::size_t i = mine.begin; i < mine.end; i += kPieces * grain) {
      if (i > mine.begin) may_stop();
      f(i, std::min(mine.end, i + kPieces * grain));
    }
  });
}

inline void survive_fork() {
#ifdef MINIDNN_THREADS
  runtime::survive_fork();
#endif
}

}  // namespace minidnn
