// Waiting for a number in memory to change: spinning for some microseconds, then asleep in the kernel.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <condition_variable>
#include <mutex>
#endif

namespace minidnn::runtime {

using Word = std::atomic<std::uint32_t>;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

#if defined(__linux__)

// Sleeps while the word has this value; may return early.
inline void sleep_on(Word& word, std::uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

inline void wake(Word& word, int sleepers) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE_PRIVATE, sleepers, nullptr, nullptr,
          0);
}

#else

struct Bell {
  std::mutex mutex;
  std::condition_variable rung;
};
inline Bell bell;  // shared by all words, since wakes are rare

inline void sleep_on(Word& word, std::uint32_t value) {
  std::unique_lock<std::mutex> lock(bell.mutex);
  if (word.load() == value) bell.rung.wait_for(lock, std::chrono::milliseconds(1));
}

inline void wake(Word&, int) {
  {
    const std::lock_guard<std::mutex> lock(bell.mutex);
  }
  bell.rung.notify_all();
}

#endif

// Spins until `done()` or the time is over; returns whether it is done.
template <class F>
bool spin(std::chrono::nanoseconds time, const F& done) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point end{};
  for (unsigned i = 0;; ++i) {
    if (done()) return true;
    pause();
    if (i % 64 != 63) continue;
    const auto now = Clock::now();
    if (end == Clock::time_point{}) end = now + time;
    if (now >= end) return done();
  }
}

}  // namespace minidnn::runtime
