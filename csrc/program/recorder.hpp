// Records the kernel calls of one thread as a program.
#pragma once
#include <memory>
#include <vector>

#include "program/memory.hpp"
#include "program/program.hpp"

namespace minidnn::program {

struct Recorder {
  Program program;
  // Where results of kernels lie; it lives as long as the program or any of them.
  std::shared_ptr<Pool> pool = std::make_shared<Pool>();

  // The shape, for as long as the program lives: the array that had it may be gone by then.
  const std::ptrdiff_t* keep(const std::ptrdiff_t* dims, int ndim) {
    return shapes_.emplace_back(dims, dims + ndim).data();
  }

 private:
  std::vector<std::vector<std::ptrdiff_t>> shapes_;
};

// The recorder at work in this thread, or null.
inline thread_local Recorder* recorder = nullptr;

}  // namespace minidnn::program
