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

void copy_input(PyObject* to, PyObject* from, std::size_t place) {
  const auto &target = *py::detail::array_proxy(to), &source = *py::detail::array_proxy(from);
  std::size_t bytes = static_cast<std::size_t>(py::reinterpret_borrow<py::dtype>(target.descr).itemsize());
  bool fits = py::detail::npy_api::get().PyArray_Check_(from) && target.nd == source.nd &&
              target.descr == source.descr && (source.flags & py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_);
  for (int i = 0; fits && i < target.nd; ++i) {
    fits = target.dimensions[i] == source.dimensions[i];
    bytes *= static_cast<std::size_t>(target.dimensions[i]);
  }
  if (!fits)
    throw py::value_error("replay: inputs[" + std::to_string(place) +
                          "] must be contiguous, of the shape and dtype that were recorded");
  std::memcpy(target.data, source.data, bytes);
}

void replay(Recorder& r, const py::tuple& inputs, std::vector<double> rates, std::vector<double> steps,
            const py::list& draws) {
  if (inputs.size() != r.inputs.size() || rates.size() != r.updates || steps.size() != r.updates ||
      draws.size() != r.announced.size())
    throw py::value_error("replay: wants " + std::to_string(r.inputs.size()) + " inputs, " +
                          std::to_string(r.updates) + " rates and steps, " +
                          std::to_string(r.announced.size()) + " draws");
  for (std::size_t i = 0; i < inputs.size(); ++i)
    copy_input(py::object(r.inputs[i]).ptr(), py::object(inputs[i]).ptr(), i);
  Cells cells{std::move(rates), std::move(steps), {}};
  for (const auto& key : draws) cells.draws.push_back(key_of(key));
  const Unlocked unlocked;
  r.plan.replay(cells);
}

}  // namespace

Recorder::Recorder(const py::tuple& given) : inputs(given) {
  for (const auto& input : given) own(input.ptr());
}

void Recorder::touch(PyObject* array, bool written) {
  PyObject* owner = owner_of(array);
  if (owned_.count(owner)) return own(array);  // a view, perhaps short-lived, of what is kept already
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
  plan.calls.emplace_back([function, arrays, y](const Cells&) {
    const py::gil_scoped_acquire locked;
    const py::object result = function(*arrays);
    if (!y.is_none()) y[py::ellipsis()] = result;
  });
}

bool Recorder::owns(const py::array& array) const { return owned_.count(owner_of(array.ptr())) > 0; }

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
      .def_readonly("updates", &Recorder::updates)
      .def("written", &Recorder::written)
      .def("temporaries", &Recorder::temporaries)
      .def("replay", replay, py::arg("inputs"), py::arg("rates"), py::arg("steps"), py::arg("draws"));
}

}  // namespace minidnn
