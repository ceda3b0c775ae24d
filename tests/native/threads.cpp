// Kernels, products and parallel_for under the thread sanitizer; `tests/tsan.sh` builds and runs it.
//
//     threads [race]
//
// Every result at 2, 3, 7 and 64 threads must have the bytes of the one at 1, also where threads are delayed
// at random places. "race" writes one place from every thread on purpose: the sanitizer must find it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

#include "dispatch.hpp"
#include "gemm.hpp"
#include "runtime/parallel.hpp"
#include "runtime/thread.hpp"

using namespace minidnn;

namespace {

using Floats = std::vector<float>;

int cases = 0;

void require(bool holds, const char* what) {
  if (holds) return;
  std::printf("wrong: %s (%s, %d threads)\n", what, kernels().isa, thread_count.load());
  std::exit(1);
}

Floats numbers(std::size_t n, unsigned seed) {
  Floats x(n);
  for (auto& value : x) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
  }
  return x;
}

// f fills what it is given; the same at every number of threads.
template <class F>
void same_bytes(const char* what, std::size_t n, const F& f) {
  Floats alone(n, -1.0f), now(n);
  thread_count = 1;
  f(alone.data());
  for (const int threads : {2, 3, 7, 64}) {
    thread_count = threads;
    std::fill(now.begin(), now.end(), -2.0f);
    f(now.data());
    require(std::memcmp(alone.data(), now.data(), n * sizeof(float)) == 0, what);
    ++cases;
  }
}

void products() {
  struct Size {
    std::size_t m, k, n;
  };
  for (const Size s : {Size{1, 1, 1}, {50, 784, 300}, {300, 50, 10}, {33, 1000, 65}, {700, 400, 1100}}) {
    const Floats a = numbers(s.m * s.k, 1), b = numbers(s.k * s.n, 2), bias = numbers(s.n, 3);
    const auto k = static_cast<std::ptrdiff_t>(s.k), n = static_cast<std::ptrdiff_t>(s.n),
               m = static_cast<std::ptrdiff_t>(s.m);
    const Matrix plain_a{a.data(), s.m, s.k, k, 1}, plain_b{b.data(), s.k, s.n, n, 1};
    const Matrix turned_a{a.data(), s.m, s.k, 1, m}, turned_b{b.data(), s.k, s.n, 1, k};
    const Epilogue epilogue{kernels().activation[static_cast<int>(Act::relu)].bias_forward, bias.data(), 0};
    for (const auto& [x, y] : {std::pair{plain_a, plain_b}, {turned_a, plain_b}, {plain_a, turned_b}})
      for (const Epilogue* end : {static_cast<const Epilogue*>(nullptr), &epilogue})
        same_bytes("gemm", s.m * s.n, [&, x = x, y = y](float* c) { gemm(kernels(), x, y, c, end); });
  }
}

void maps() {
  const std::size_t n = 300001;
  const Floats x = numbers(n, 4);
  for (int act = 1; act < static_cast<int>(Act::count); ++act)
    same_bytes("activation", n, [&](float* y) {
      parallel_for(n, 16384, [&](std::size_t i, std::size_t end) {
        kernels().activation[act].forward(x.data() + i, y + i, end - i, 0.5f);
      });
    });
  same_bytes("dropout", n, [&](float* y) {
    parallel_for(n, 4096, [&](std::size_t i, std::size_t end) {
      kernels().dropout(x.data(), y, i, end, DrawKey{1, 2, 3}, 1u << 30, 2.0f);
    });
  });
  const std::size_t rows = 600, columns = 500;
  same_bytes("softmax", rows * columns, [&](float* y) {
    parallel_for(rows, 33, [&](std::size_t i, std::size_t end) {
      kernels().softmax(x.data() + i * columns, y + i * columns, end - i, columns);
    });
  });
  same_bytes("column_sum", columns, [&](float* sums) {
    parallel_for(columns, 32, [&](std::size_t j, std::size_t end) {
      kernels().column_sum(x.data() + j, sums + j, rows, end - j, columns);
    });
  });
}

// An exception in one thread ends the others between two pieces, and is the one that arrives.
void exceptions() {
  for (const int threads : {1, 2, 3, 7}) {
    thread_count = threads;
    int caught = 0;
    try {
      parallel_for(1000000, 1, [](std::size_t begin, std::size_t) {
        if (begin >= 500) throw std::runtime_error("here");
      });
    } catch (const std::runtime_error&) {
      ++caught;
    }
    require(caught == 1, "an exception is thrown on");
    ++cases;
  }
}

// What is asked between two pieces may end the work, unless the work must finish.
void questions() {
  for (const int threads : {1, 2, 3, 7}) {
    thread_count = threads;
    for (const bool begun : {false, true}) {
      std::atomic<std::size_t> done{0};
      bool ended = false;
      ask = [] { throw std::runtime_error("stop"); };
      try {
        if (begun) must_finish();
        parallel_for(1000000, 1, [&](std::size_t begin, std::size_t end) { done += end - begin; });
      } catch (const std::runtime_error&) {
        ended = true;
      }
      ask = nullptr;
      require(ended == !begun && (done == 1000000) == begun, "a question ends what may be ended");
      ++cases;
    }
  }
}

// Two threads compute at once, while a third changes the number of threads.
void at_once() {
  const Floats a = numbers(200 * 300, 5), b = numbers(300 * 100, 6);
  const Matrix x{a.data(), 200, 300, 300, 1}, y{b.data(), 300, 100, 100, 1};
  thread_count = 1;
  Floats expected(200 * 100);
  gemm(kernels(), x, y, expected.data());
  std::atomic<bool> over{false};
  const auto work = [&] {
    Floats c(expected.size());
    for (int i = 0; i < 20; ++i) {
      gemm(kernels(), x, y, c.data());
      require(c == expected, "gemm at once");
    }
  };
  std::thread disturber([&] {
    for (int n = 0; !over; ++n) {
      thread_count = n % 7 + 1;
      std::this_thread::yield();
    }
  });
  std::thread first(work), second(work);
  first.join(), second.join();
  over = true;
  disturber.join();
  cases += 40;
}

// A thread that begins a part may be late: some microseconds, or as long as a time slice.
void delayed() {
  static std::atomic<unsigned> seed{1};
  runtime::before_part = [](int part) {
    unsigned draw = seed.fetch_add(1) * 2654435761u + static_cast<unsigned>(part) * 40503u;
    draw ^= draw >> 15;
    if (draw % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(draw % 300));
    if (draw % 64 == 1) std::this_thread::sleep_for(std::chrono::milliseconds(3));
    if (draw % 4 == 2) std::this_thread::yield();
  };
  products();
  exceptions();
  at_once();
  runtime::before_part = nullptr;
}

// Regions within regions are run by the thread that opens them; hundreds of short ones follow one another.
void nested() {
  thread_count = 3;
  std::atomic<int> done{0};
  for (int i = 0; i < 300; ++i) parallel_workers(3, [&](int) { parallel_workers(2, [&](int) { ++done; }); });
  require(done == 1800, "regions within regions");
  ++cases;
}

// Work is not cut into more parts than there are cores; a thread can leave the core that it runs on.
void cores() {
  for (const int cores : {1, 2, 64}) {
    runtime::use_cores(cores);
    for (const int threads : {1, 2, 8}) {
      thread_count = threads;
      require(threads_for(100) == std::min(threads, cores), "parts for cores");
      ++cases;
    }
  }
  std::thread([] {
    if (runtime::cores_of_process() < 2 || runtime::current_core() < 0) return;
    const int before = runtime::current_core();
    require(runtime::avoid_core(before) && runtime::current_core() != before, "a core is left");
    ++cases;
  }).join();
  require(!runtime::avoid_core(-1), "no core");
}

int race() {
  thread_count = 3;
  runtime::before_part = [](int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  };  // all take part
  Floats place(1);
  parallel_for(3000000, 1000, [&](std::size_t begin, std::size_t) { place[0] += static_cast<float>(begin); });
  return place[0] > 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  runtime::use_cores(64);  // more than there are, so that threads are interrupted
  if (count > 1 && std::strcmp(words[1], "race") == 0) return race();
  for (const auto& isa : usable_isas()) {
    use_isa(isa);
    products();
    maps();
  }
  exceptions();
  questions();
  at_once();
  nested();
  cores();
  delayed();
  std::printf("%d cases, every byte equal\n", cases);
}
