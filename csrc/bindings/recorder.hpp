// Records the kernel calls of one thread as a plan, and knows every array that they touch.
#pragma once
#include <pybind11/numpy.h>

#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "bindings/memory.hpp"
#include "plan.hpp"

namespace minidnn {

class Recorder {
 public:
  // The arrays by which a replay gets its inputs.
  explicit Recorder(const pybind11::tuple& inputs);

  // An argument of a kernel; the plan keeps it alive.
  void touch(PyObject* array, bool written);
  // Where results of kernels are; it lives as long as the plan or any of them.
  std::shared_ptr<Pool> pool = std::make_shared<Pool>();

  // The shape, for as long as the plan lives.
  const pybind11::ssize_t* keep(std::vector<pybind11::ssize_t> shape) {
    return shapes_.emplace_back(std::move(shape)).data();
  }

  // A call into Python that gives y again (or, if y is None, only checks) in each replay.
  void compute(const pybind11::object& function, const pybind11::tuple& arrays, const pybind11::object& y);

  // Whether each replay writes the array anew, or it is an input.
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
  // An input, or what `compute` gives.
  void own(PyObject* array);
  bool is_ours(PyObject* owner) const;

  struct External {
    pybind11::object owner;
    bool written;
  };
  // An array that a call was given, which need not be the owner of its memory.
  struct View {
    pybind11::object array;
    std::size_t external;
  };
  std::vector<std::vector<pybind11::ssize_t>> shapes_;
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
