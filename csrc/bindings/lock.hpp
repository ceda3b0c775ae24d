// The GIL: released around kernels and taken again after them, also if Python ends meanwhile.
#pragma once
#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

#include "runtime/parallel.hpp"

namespace minidnn {

namespace py = pybind11;

// While Python ends, it terminates a thread that requests the GIL by unwinding its stack, which crashes in
// destructors and in handlers that catch everything. So the thread sleeps and ends with the process.
template <class F>
auto until_python_ends(const F& take_lock) {
  try {
    return take_lock();
  } catch (...) {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
}

// Holds the GIL while it lives, within an Unlocked.
class Locked {
 public:
  Locked() : state_(until_python_ends([] { return PyGILState_Ensure(); })) {}
  ~Locked() { PyGILState_Release(state_); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  PyGILState_STATE state_;
};

// Lets Python handle signals now and then; throws what a handler raises, as Ctrl-C's KeyboardInterrupt.
inline void ask_python() {
  using Clock = std::chrono::steady_clock;
  thread_local Clock::time_point due;
  const auto now = Clock::now();
  if (now < due) return;
  due = now + std::chrono::milliseconds(50);
  const Locked locked;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

// Other Python threads run while this lives; held only around calls that touch no Python object. What runs
// may be stopped by a signal, see `ask`.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()), before_(ask) { ask = ask_python; }
  ~Unlocked() {
    ask = before_;
    until_python_ends([this] { PyEval_RestoreThread(state_); });
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
  void (*before_)();
};

}  // namespace minidnn
