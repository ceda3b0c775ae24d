// Records the kernel calls of one thread as a plan, and knows every array that they touch.
#pragma once
#include <pybind11/numpy.h>

#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "plan.hpp"

namespace minidnn {

class Recorder {
 public:
  // The arrays by which a replay gets its inputs.
  explicit Recorder(const pybind11::tuple& inputs);

  // An argument of a kernel; the plan keeps it alive.
  void touch(PyObject* array, bool written);
  // A result of a kernel.
  void own(PyObject* array);

  // A call into Python that gives y again (or, if y is None, only checks) in each replay.
  void compute(const pybind11::object& function, const pybind11::tuple& arrays, const pybind11::object& y);

  bool owns(const pybind11::array& array) const;

  // The cell of a draw, which differs in each replay if its key was announced; else -1.
  int draw_cell(const DrawKey& key) const;

  Plan plan;
  std::vector<DrawKey> announced;  // the keys that generators gave out while recording
  std::size_t updates = 0;
  pybind11::tuple inputs;

  // Arrays from outside that were written: what a step leaves behind.
  pybind11::list written() const;
  // Arrays that were made outside the kernels while recording, and dropped: replays would read them stale.
  pybind11::list temporaries() const;

 private:
  struct External {
    pybind11::object owner;
    bool written;
  };
  // An array that a call was given, which need not be the owner of its memory.
  struct View {
    pybind11::object array;
    std::size_t external;
  };
  std::vector<pybind11::object> own_;
  std::unordered_set<PyObject*> owned_;
  std::vector<External> externals_;
  std::unordered_map<PyObject*, std::size_t> index_;
  std::unordered_map<PyObject*, View> views_;
  std::unordered_map<PyObject*, Py_ssize_t> held_;  // references that the arguments of `compute` add
};

// The recorder at work in this thread, or null.
inline thread_local Recorder* recorder = nullptr;

}  // namespace minidnn
