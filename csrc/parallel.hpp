// Threads, and only here. A number never depends on how many of them computed it: callers cut their work so
// that every element, and every sum, is computed whole by one call of f.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>

#ifdef _OPENMP
#include <omp.h>
#include <pthread.h>
#endif

namespace minidnn {

inline std::atomic<int> thread_count{1};

// How many threads a region of `pieces` pieces may use.
inline int threads_for(std::size_t pieces) {
  const auto limit = static_cast<std::size_t>(thread_count.load(std::memory_order_relaxed));
  return static_cast<int>(std::max<std::size_t>(1, std::min(limit, pieces)));
}

// f(worker) for worker = 0 .. workers - 1, each on a thread of its own; the first exception is thrown on.
template <class F>
void parallel_workers(int workers, const F& f) {
#ifdef _OPENMP
  if (workers > 1) {
    std::exception_ptr error;
#pragma omp parallel num_threads(workers)
    {
      // The runtime may give fewer threads than asked for: the workers are dealt out all the same.
      for (int worker = omp_get_thread_num(); worker < workers; worker += omp_get_num_threads()) {
        try {
          f(worker);
        } catch (...) {
#pragma omp critical(minidnn_error)
          if (!error) error = std::current_exception();
        }
      }
    }
    if (error) std::rethrow_exception(error);
    return;
  }
#endif
  for (int worker = 0; worker < workers; ++worker) f(worker);
}

// f(begin, end) on ranges that together are [0, n); every begin is a multiple of grain.
template <class F>
void parallel_for(std::size_t n, std::size_t grain, const F& f) {
  const std::size_t pieces = (n + grain - 1) / grain;
  if (pieces == 0) return;
  const auto workers = static_cast<std::size_t>(threads_for(pieces));
  parallel_workers(static_cast<int>(workers), [&](int worker) {
    const auto w = static_cast<std::size_t>(worker);
    const std::size_t begin = pieces * w / workers * grain, end = pieces * (w + 1) / workers * grain;
    f(begin, std::min(n, end));
  });
}

// A fork copies only the calling thread, and GNU's OpenMP would wait for the others for ever. Giving its
// threads back before each fork lets both processes start anew.
inline void survive_fork() {
#ifdef _OPENMP
  pthread_atfork([] { omp_pause_resource_all(omp_pause_soft); }, nullptr, nullptr);
#endif
}

}  // namespace minidnn
