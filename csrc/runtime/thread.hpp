// Threads of the operating system: starting detached threads, their cores, and a hook for the child after a
// fork.
#pragma once
#include <thread>
#if defined(_WIN32)
#include <system_error>
#else
#include <pthread.h>
#include <signal.h>
#if defined(__linux__)
#include <sched.h>
#include <unistd.h>
#endif

#include <new>
#endif

namespace minidnn::runtime {

using Body = void (*)(void*);

// The core that runs the calling thread; -1 where the system does not tell it within nanoseconds.
inline int current_core() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// Excludes a core for the calling thread from now on. Returns whether the thread has left it.
inline bool avoid_core(int core) {
#if defined(__linux__)
  cpu_set_t set;
  if (core < 0 || core >= CPU_SETSIZE || sched_getaffinity(getpid(), sizeof set, &set) != 0) return false;
  CPU_CLR(core, &set);
  return CPU_COUNT(&set) > 0 && sched_setaffinity(0, sizeof set, &set) == 0;
#else
  (void)core;
  return false;
#endif
}

// The cores that this process may run on.
inline int cores_of_process() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

#if defined(_WIN32)

inline bool start_thread(Body body, void* given) {
  try {
    std::thread(body, given).detach();
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

inline void after_fork(void (*)()) {}  // there is none

#else

struct ThreadStart {
  Body body;
  void* given;
};

inline void* run_thread(void* start) {
  const ThreadStart s = *static_cast<ThreadStart*>(start);
  delete static_cast<ThreadStart*>(start);
  s.body(s.given);
  return nullptr;
}

// Returns whether the thread runs. It takes no signals: they are for the threads of the program.
inline bool start_thread(Body body, void* given) {
  auto* start = new (std::nothrow) ThreadStart{body, given};
  if (!start) return false;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  const bool started = pthread_create(&thread, &attributes, run_thread, start) == 0;
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!started) delete start;
  return started;
}

inline void after_fork(void (*in_the_child)()) { pthread_atfork(nullptr, nullptr, in_the_child); }

#endif

}  // namespace minidnn::runtime
