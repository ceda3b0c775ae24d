// A recorded list of bound kernel calls, replayed without Python.
#pragma once
#include <cstddef>
#include <functional>
#include <vector>

#include "kernels/table.hpp"

namespace minidnn {

// What differs from one replay to the next, in the order of recording.
struct Cells {
  std::vector<double> rates, steps;  // of each optimizer update
  std::vector<DrawKey> draws;        // of each random draw
};

struct Plan {
  std::vector<std::function<void(const Cells&)>> calls;

  void replay(const Cells& cells) const {
    for (const auto& call : calls) call(cells);
  }
};

}  // namespace minidnn
