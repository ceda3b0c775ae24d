"""The machine's memory bandwidth and the time of a cache line between cores, measured in C."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

SOURCE = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

void triad(float* restrict a, const float* restrict b, const float* restrict c, long n) {
#pragma omp parallel for simd schedule(static)
  for (long i = 0; i < n; ++i) a[i] = b[i] + 3.0f * c[i];
}

static _Alignas(128) atomic_long turn;
static long rounds;

static void stay_on(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void* other(void* core) {
  stay_on(*(int*)core);
  for (long i = 1; i < 2 * rounds; i += 2) {
    while (atomic_load_explicit(&turn, memory_order_acquire) != i) {}
    atomic_store_explicit(&turn, i + 1, memory_order_release);
  }
  return 0;
}

/* Nanoseconds until a core sees a write of the other. */
double hand_over(int a, int b, long count) {
  pthread_t thread;
  struct timespec begin, end;
  rounds = count;
  atomic_store(&turn, 0);
  pthread_create(&thread, 0, other, &b);
  stay_on(a);
  for (long i = 0; i < 2 * rounds; i += 2) {
    while (atomic_load_explicit(&turn, memory_order_acquire) != i) {}
    if (i == 2) clock_gettime(CLOCK_MONOTONIC, &begin);
    atomic_store_explicit(&turn, i + 1, memory_order_release);
  }
  pthread_join(thread, 0);
  clock_gettime(CLOCK_MONOTONIC, &end);
  return ((end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec)) / (2 * rounds - 2);
}
"""


def compiled() -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "machine.c"), Path(folder, "machine.so")
        source.write_text(SOURCE)
        options = ["-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", "-pthread"]
        subprocess.run(["cc", *options, source, "-o", library], check=True)
        return ctypes.CDLL(str(library))


def triad(bytes: int) -> Callable[[], None]:
    """STREAM's a = b + s c (McCalpin 1995): returns a function that moves `bytes` bytes, a third of them written."""
    function, n = compiled().triad, bytes // 12
    arrays = [np.ones(n, np.float32) for _ in range(3)]
    arguments = [*(ctypes.c_void_p(array.ctypes.data) for array in arrays), ctypes.c_long(n)]

    def run(arrays: list[np.ndarray] = arrays) -> None:  # keeps the arrays alive
        function(*arguments)

    return run


def hand_over() -> float:
    """Nanoseconds that a cache line takes from one core to another; 0 on a single core."""
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        return 0.0
    function = compiled().hand_over
    function.restype = ctypes.c_double
    try:
        return function(*sorted(cores)[:2], ctypes.c_long(100_000))
    finally:
        os.sched_setaffinity(0, cores)
