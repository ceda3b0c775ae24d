// Records the kernel calls of one thread as a program.
#pragma once
#include <memory>
#include <vector>

#include "program/memory.hpp"
#include "program/program.hpp"

namespace minidnn::program {

struct Recorder {
  Program program;
  // The memory of kernel results; it lives as long as the program or any result.
  std::shared_ptr<Pool> pool = std::make_shared<Pool>();

  // A copy of the shape that lives as long as the program, since the array may be freed earlier.
  const std::ptrdiff_t* keep(const std::ptrdiff_t* dims, int ndim) {
    return shapes_.emplace_back(dims, dims + ndim).data();
  }

 private:
  std::vector<std::vector<std::ptrdiff_t>> shapes_;
};

// The recorder that is active in this thread, or null.
inline thread_local Recorder* recorder = nullptr;

}  // namespace minidnn::program
