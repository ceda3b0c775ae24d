#include <pybind11/stl.h>

#include "bindings/families.hpp"
#include "dispatch.hpp"
#include "runtime/parallel.hpp"

namespace py = pybind11;

namespace minidnn {

void bind_config(py::module_& m) {
  m.def("isa", [] { return kernels().isa; });
  m.def("usable_isas", usable_isas);
  m.def("use_isa", use_isa, py::arg("name"));
  m.def("num_threads", [] { return thread_count.load(); });
  m.def("thread_limit", thread_limit);
  m.def("set_num_threads", [](int n) { thread_count = n; }, py::arg("n"));
  m.def("use_cores", runtime::use_cores, py::arg("n"));
#ifdef _OPENMP
  m.attr("openmp") = _OPENMP;
#else
  m.attr("openmp") = 0;
#endif
#ifdef __clang__
  m.attr("compiler") = "Clang " __clang_version__;
#else
  m.attr("compiler") = "GCC " __VERSION__;
#endif
  m.attr("flags") = MINIDNN_FLAGS;
}

}  // namespace minidnn
