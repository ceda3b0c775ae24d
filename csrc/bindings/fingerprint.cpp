#include <cstring>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"

namespace minidnn {
namespace {

constexpr py::ssize_t kSamples = 64;

// The address of element i in row-major order.
const char* element(const py::detail::PyArray_Proxy& array, py::ssize_t i) {
  const char* at = array.data;
  for (int axis = array.nd - 1; axis >= 0; --axis) {
    at += i % array.dimensions[axis] * array.strides[axis];
    i /= array.dimensions[axis];
  }
  return at;
}

// Changes when the array does; 0 for a read-only array. Small arrays are read completely, larger ones at 64
// evenly spaced elements, the first and the last included: enough to detect an update, at a negligible cost.
std::uint64_t fingerprint(Array a) {
  if (!py::detail::npy_api::get().PyArray_Check_(a.object))
    detail::refuse_type("fingerprint", "array", a, "an array");
  const auto& array = *detail::proxy(a);
  if ((!array.base || PyCapsule_CheckExact(array.base)) &&
      !(array.flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_))
    return 0;
  py::ssize_t size = 1;
  for (int axis = 0; axis < array.nd; ++axis) size *= array.dimensions[axis];
  const bool contiguous = array.flags & py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_;
  const auto bytes = static_cast<std::size_t>(py::reinterpret_borrow<py::dtype>(array.descr).itemsize());
  const py::ssize_t samples = std::min(size, kSamples);
  std::uint64_t hash = 0xcbf29ce484222325;
  for (py::ssize_t s = 0; s < samples; ++s) {
    const py::ssize_t i = samples == 1 ? 0 : (size - 1) * s / (samples - 1);
    std::uint64_t word = 0;
    const char* at = contiguous ? array.data + i * static_cast<py::ssize_t>(bytes) : element(array, i);
    std::memcpy(&word, at, std::min(bytes, sizeof word));
    hash = (hash ^ word) * 0x9E3779B97F4A7C15;
    hash ^= hash >> 29;
  }
  return hash;
}

}  // namespace

void bind_fingerprint(py::module_& m) { m.def("fingerprint", fingerprint, py::arg("array")); }

}  // namespace minidnn
