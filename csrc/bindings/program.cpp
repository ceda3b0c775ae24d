#include <pybind11/stl.h>

#include <cstring>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"

namespace minidnn {
namespace {

// A program, and the arrays by which a replay gets its inputs.
struct Recorded : program::Recorder {
  std::vector<py::array> inputs;
};

// Calls a kernel, which adds itself to the program.
py::object record(Recorded& r, const py::function& kernel, const py::tuple& args, const py::dict& settings) {
  struct Recording {
    program::Recorder* const before = program::recorder;
    explicit Recording(program::Recorder* now) { program::recorder = now; }
    ~Recording() { program::recorder = before; }
  } const recording(&r);
  return kernel(*args, **settings);
}

// Adds a call into Python.
void compute(Recorded& r, const py::function& call) {
  r.program.add([call] {
    const Locked locked;
    call();
  });
}

// An input as it is to be copied, row by row.
struct Copy {
  const char* from;
  char* to;
  std::size_t rows, row_bytes;
};

Copy checked_copy(PyObject* to, PyObject* from, std::size_t place) {
  const auto &target = *py::detail::array_proxy(to), &source = *py::detail::array_proxy(from);
  Copy copy{source.data, target.data, 1,
            static_cast<std::size_t>(py::reinterpret_borrow<py::dtype>(target.descr).itemsize())};
  const auto& numpy = py::detail::npy_api::get();
  bool fits = numpy.PyArray_Check_(from) && target.nd == source.nd &&
              (target.descr == source.descr || numpy.PyArray_EquivTypes_(target.descr, source.descr)) &&
              (source.flags & py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_);
  for (int i = 0; fits && i < target.nd; ++i) {
    fits = target.dimensions[i] == source.dimensions[i];
    (i + 1 < target.nd ? copy.rows : copy.row_bytes) *= static_cast<std::size_t>(target.dimensions[i]);
  }
  if (!fits)
    throw py::value_error("replay: inputs[" + std::to_string(place) +
                          "] must be contiguous, of the shape and dtype that were recorded");
  return copy;
}

// Each thread copies some columns: in the product that comes next it reads these, and no others.
void copy_inputs(const std::vector<Copy>& copies) {
  for (const Copy& copy : copies) {
    const std::size_t floats = copy.rows * copy.row_bytes / sizeof(float);
    const auto workers = static_cast<std::size_t>(threads_for(floats / kGrain));
    parallel_workers(static_cast<int>(workers), [&](int worker) {
      const Range bytes = part_of(copy.row_bytes, kCut, static_cast<std::size_t>(worker), workers);
      for (std::size_t row = 0; row < copy.rows; ++row)
        std::memcpy(copy.to + row * copy.row_bytes + bytes.begin,
                    copy.from + row * copy.row_bytes + bytes.begin, bytes.size());
    });
  }
}

// The inputs that a replay copies first; an input that already is the program's own array is left out.
std::vector<Copy> copies_of(const Recorded& r, const py::tuple& inputs) {
  if (inputs.size() != r.inputs.size())
    throw py::value_error("replay: got " + std::to_string(inputs.size()) + " inputs, must be " +
                          std::to_string(r.inputs.size()));
  std::vector<Copy> copies;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    PyObject *const to = r.inputs[i].ptr(), *const from = PyTuple_GET_ITEM(inputs.ptr(), i);
    if (to != from) copies.push_back(checked_copy(to, from, i));
  }
  return copies;
}

void replay(const Recorded& r, const py::tuple& inputs) {
  const auto copies = copies_of(r, inputs);
  const Unlocked unlocked;
  copy_inputs(copies);
  r.program.run();
}

std::vector<double> time(const Recorded& r, const py::tuple& inputs) {
  const auto copies = copies_of(r, inputs);
  const Unlocked unlocked;
  copy_inputs(copies);
  return r.program.time();
}

}  // namespace

void bind_program(py::module_& m) {
  py::class_<Recorded>(m, "Program")
      .def(py::init<>())
      .def(
          "add_input", [](Recorded& r, const py::array& array) { r.inputs.push_back(array); },
          py::arg("array"))
      .def("record", record, py::arg("kernel"), py::arg("args"), py::arg("settings"))
      .def("compute", compute, py::arg("call"))
      .def("replay", replay, py::arg("inputs"))
      .def("time", time, py::arg("inputs"))
      .def("nbytes", [](const Recorded& r) { return r.pool->bytes(); })
      .def("__len__", [](const Recorded& r) { return r.program.size(); });
}

}  // namespace minidnn
