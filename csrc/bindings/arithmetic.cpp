#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "bindings/sums.hpp"
#include "dispatch.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {
namespace {

struct NotFinite : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using Binary = void (*)(const float*, const float*, float*, std::size_t);

void bind_binary(py::module_& m, const char* op, Binary Table::* kernel) {
  const auto call = [=](Array a_array, Array b_array) {
    const In a(a_array, op, "a"), b(b_array, op, "b");
    same_shape(op, "a", a, "b", b);
    auto y = Empty<>::like(a);
    run_elementwise({a.size,
                     {reads(a), reads(b), writes(y.data, a.size)},
                     [=, y = y.data](std::size_t i, std::size_t end) {
                       (kernels().*kernel)(a.data + i, b.data + i, y + i, end - i);
                     }});
    return y.take();
  };
  m.def(op, call, py::arg("a"), py::arg("b"));
}

py::object mean(Array x_array) {
  const In x(x_array, "mean", "x");
  if (x.size == 0) throw py::value_error("mean: x has shape " + x.shape_text() + ", it must not be empty");
  Empty<> y(Shape{});
  run([=, y = y.data] {
    *y = static_cast<float>(sum_of_chunks(x, kernels().sum) / static_cast<double>(x.size));
  });
  return y.take();
}

py::object mean_backward(Array dy_array, Array x_array) {
  const In dy = scalar_in(dy_array, "mean_backward", "dy");
  const In x(x_array, "mean_backward", "x");
  auto dx = Empty<>::like(x);
  run([=, dx = dx.data] {
    const float share = *dy.data / static_cast<float>(x.size);
    parallel_for(x.size, kGrain, [&](std::size_t i, std::size_t end) { std::fill(dx + i, dx + end, share); });
  });
  return dx.take();
}

py::object scale_rows(Array x_array, Array factors_array) {
  const In x(x_array, "scale_rows", "x"), factors(factors_array, "scale_rows", "factors");
  if (x.ndim != 2 || factors.ndim != 1 || factors.size != x.dim(0))
    throw py::value_error("scale_rows: x has shape " + x.shape_text() + ", factors has " +
                          factors.shape_text() + ": must be (rows, columns) and (rows,)");
  auto y = Empty<>::like(x);
  run([=, y = y.data] {
    const std::size_t n = x.dim(1);
    parallel_for(x.dim(0), row_grain(n), [&](std::size_t i, std::size_t end) {
      kernels().scale_rows(x.data + i * n, factors.data + i, y + i * n, end - i, n);
    });
  });
  return y.take();
}

void moving_average(Array running_array, Array value_array, double momentum) {
  const InOut running(running_array, "moving_average", "running");
  const In value(value_array, "moving_average", "value");
  same_shape("moving_average", "running", running, "value", value);
  disjoint("moving_average", {{"running", running.data, running.size}, {"value", value.data, value.size}});
  run([=] {
    must_finish();
    const auto keep = static_cast<float>(momentum), take = static_cast<float>(1 - momentum);
    kernels().moving_average(running.data, value.data, running.size, keep, take);
  });
}

void check_finite(Array x_array) {
  const In x(x_array, "check_finite", "x");
  run([=] {
    for (std::size_t i = 0; i < x.size; ++i)
      if (!std::isfinite(x.data[i])) throw NotFinite("check_finite: found " + std::to_string(x.data[i]));
  });
}

}  // namespace

void bind_arithmetic(py::module_& m) {
  py::register_exception<NotFinite>(m, "NotFinite", PyExc_FloatingPointError);
  bind_binary(m, "add", &Table::add);
  bind_binary(m, "subtract", &Table::subtract);
  bind_binary(m, "multiply", &Table::multiply);
  m.def("mean", mean, py::arg("x"));
  m.def("mean_backward", mean_backward, py::arg("dy"), py::arg("x"));
  m.def("scale_rows", scale_rows, py::arg("x"), py::arg("factors"));
  m.def("moving_average", moving_average, py::arg("running"), py::arg("value"), py::kw_only(),
        py::arg("momentum"));
  m.def("check_finite", check_finite, py::arg("x"));
}

}  // namespace minidnn
