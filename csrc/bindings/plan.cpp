#include <pybind11/stl.h>

#include <cstring>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"

namespace minidnn {
namespace {

// The array that a view is a view of.
PyObject* owner_of(PyObject* array) {
  PyObject* base = py::detail::array_proxy(array)->base;
  return base && py::detail::npy_api::get().PyArray_Check_(base) ? owner_of(base) : array;
}

void start(Recorder& mine) {
  if (recorder) throw std::runtime_error("plan: another one is being recorded in this thread");
  recorder = &mine;
}

void stop() { recorder = nullptr; }

DrawKey key_of(const py::handle& key) {
  const auto [seed, stream, draw] = key.cast<std::tuple<std::uint64_t, std::uint32_t, std::uint64_t>>();
  return {seed, draw, stream};
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
  bool fits = py::detail::npy_api::get().PyArray_Check_(from) && target.nd == source.nd &&
              target.descr == source.descr && (source.flags & py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_);
  for (int i = 0; fits && i < target.nd; ++i) {
    fits = target.dimensions[i] == source.dimensions[i];
    (i + 1 < target.nd ? copy.rows : copy.row_bytes) *= static_cast<std::size_t>(target.dimensions[i]);
  }
  if (!fits)
    throw py::value_error("replay: inputs[" + std::to_string(place) +
                          "] must be contiguous, of the shape and dtype that were recorded");
  return copy;
}

// Each thread copies some columns: in the product that comes next it reads them, and not the others.
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

void replay(Recorder& r, const py::tuple& inputs, std::vector<double> rates, std::vector<double> steps,
            const py::list& draws) {
  if (inputs.size() != r.inputs.size() || rates.size() != r.updates || steps.size() != r.updates ||
      draws.size() != r.announced.size())
    throw py::value_error("replay: wants " + std::to_string(r.inputs.size()) + " inputs, " +
                          std::to_string(r.updates) + " rates and steps, " +
                          std::to_string(r.announced.size()) + " draws");
  std::vector<Copy> copies;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    copies.push_back(checked_copy(py::object(r.inputs[i]).ptr(), py::object(inputs[i]).ptr(), i));
  Cells cells{std::move(rates), std::move(steps), {}};
  for (const auto& key : draws) cells.draws.push_back(key_of(key));
  const Unlocked unlocked;
  copy_inputs(copies);
  r.plan.replay(cells);
}

// Writes to an array that the tape may have made read-only.
void overwrite(const py::array& to, const py::array& from) {
  if (to.nbytes() != from.nbytes() || !(to.flags() & py::array::c_style) ||
      !(from.flags() & py::array::c_style))
    throw py::value_error("overwrite: the arrays must be contiguous and of one size");
  std::memcpy(py::detail::array_proxy(to.ptr())->data, from.data(), static_cast<std::size_t>(to.nbytes()));
}

}  // namespace

Recorder::Recorder(const py::tuple& given) : inputs(given) {
  for (const auto& input : given) own(input.ptr());
}

void Recorder::touch(PyObject* array, bool written) {
  PyObject* owner = owner_of(array);
  if (is_ours(owner)) return;
  const auto [at, is_new] = index_.try_emplace(owner, externals_.size());
  if (is_new) externals_.push_back({py::reinterpret_borrow<py::object>(owner), false});
  externals_[at->second].written |= written;
  if (array != owner) views_.try_emplace(array, View{py::reinterpret_borrow<py::object>(array), at->second});
}

void Recorder::own(PyObject* array) {
  if (owned_.insert(array).second) own_.push_back(py::reinterpret_borrow<py::object>(array));
}

void Recorder::compute(const py::object& function, const py::tuple& arrays, const py::object& y) {
  for (const auto& array : arrays) {
    touch(array.ptr(), false);
    ++held_[array.ptr()];
  }
  if (!y.is_none()) own(owner_of(y.ptr()));
  plan.add([function, arrays, y](const Cells&) {
    const py::gil_scoped_acquire locked;
    const py::object result = function(*arrays);
    if (!y.is_none()) y[py::ellipsis()] = result;
  });
}

bool Recorder::is_ours(PyObject* owner) const {
  return owned_.count(owner) || pool->holds(py::detail::array_proxy(owner)->data);
}

bool Recorder::owns(const py::array& array) const { return is_ours(owner_of(array.ptr())); }

int Recorder::draw_cell(const DrawKey& key) const {
  for (std::size_t i = 0; i < announced.size(); ++i)
    if (announced[i].seed == key.seed && announced[i].stream == key.stream && announced[i].draw == key.draw)
      return static_cast<int>(i);
  return -1;
}

py::list Recorder::written() const {
  py::list out;
  for (const External& e : externals_)
    if (e.written) out.append(e.owner);
  return out;
}

py::list Recorder::temporaries() const {
  const auto held = [this](PyObject* object) {
    const auto found = held_.find(object);
    return 1 + (found == held_.end() ? 0 : found->second);
  };
  std::vector<Py_ssize_t> ours;
  for (const External& e : externals_) ours.push_back(held(e.owner.ptr()));
  for (const auto& [object, view] : views_)
    if (Py_REFCNT(object) <= held(object))
      ++ours[view.external];  // nobody else has it, and it holds the owner
  py::list out;
  for (std::size_t i = 0; i < externals_.size(); ++i)
    if (Py_REFCNT(externals_[i].owner.ptr()) <= ours[i]) out.append(externals_[i].owner);
  return out;
}

void bind_plan(py::module_& m) {
  py::class_<Recorder>(m, "Plan")
      .def(py::init<py::tuple>(), py::arg("inputs"))
      .def("start", start)
      .def_static("stop", stop)
      .def(
          "announce", [](Recorder& r, const py::tuple& key) { r.announced.push_back(key_of(key)); },
          py::arg("key"))
      .def("compute", &Recorder::compute, py::arg("function"), py::arg("arrays"), py::arg("y"))
      .def("owns", &Recorder::owns, py::arg("array"))
      .def("nbytes", [](const Recorder& r) { return r.pool->bytes(); })
      .def_readonly("updates", &Recorder::updates)
      .def_static("overwrite", overwrite, py::arg("to"), py::arg("value"))
      .def("written", &Recorder::written)
      .def("temporaries", &Recorder::temporaries)
      .def("replay", replay, py::arg("inputs"), py::arg("rates"), py::arg("steps"), py::arg("draws"));
}

}  // namespace minidnn
