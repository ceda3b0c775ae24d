#include <cstring>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"

namespace minidnn {
namespace {

py::object aligned_copy(Array x_array, int place) {
  const In x(x_array, "aligned_copy", "x");
  auto y = Fresh(detail::kTypeNumber<float>, x.size * sizeof(float), x.ndim, x.dims, place).take();
  std::memcpy(py::detail::array_proxy(y.ptr())->data, x.data, x.size * sizeof(float));
  return y;
}

}  // namespace

void bind_memory(py::module_& m) { m.def("aligned_copy", aligned_copy, py::arg("x"), py::arg("place")); }

}  // namespace minidnn
