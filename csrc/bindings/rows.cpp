#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "dispatch.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {
namespace {

using RowMap = void (*)(const float*, float*, std::size_t, std::size_t);
using RowMap2 = void (*)(const float*, const float*, float*, std::size_t, std::size_t);

void check_axis(const char* op, const In& x) {
  if (x.ndim == 0 || x.columns() == 0)
    throw py::value_error(std::string(op) + ": x has shape " + x.shape_text() +
                          ", its last axis must not be empty");
}

void bind_map(py::module_& m, const char* op, RowMap Table::* kernel) {
  const auto call = [=](Array x_array) {
    const In x(x_array, op, "x");
    check_axis(op, x);
    auto y = Empty<>::like(x);
    run([=, y = y.data] {
      const std::size_t n = x.columns();
      parallel_for(x.rows(), row_grain(n), [&](std::size_t i, std::size_t end) {
        (kernels().*kernel)(x.data + i * n, y + i * n, end - i, n);
      });
    });
    return y.take();
  };
  m.def(op, call, py::arg("x"));
}

void bind_map2(py::module_& m, const char* op, RowMap2 Table::* kernel) {
  const auto call = [=](Array dy_array, Array y_array) {
    const In dy(dy_array, op, "dy"), y(y_array, op, "y");
    same_shape(op, "dy", dy, "y", y);
    check_axis(op, y);
    auto dx = Empty<>::like(y);
    run([=, dx = dx.data] {
      const std::size_t n = y.columns();
      parallel_for(y.rows(), row_grain(n), [&](std::size_t i, std::size_t end) {
        (kernels().*kernel)(dy.data + i * n, y.data + i * n, dx + i * n, end - i, n);
      });
    });
    return dx.take();
  };
  m.def(op, call, py::arg("dy"), py::arg("y"));
}

py::tuple softmax_cross_entropy(Array logits_array, Array labels_array) {
  const char* op = "softmax_cross_entropy";
  const In logits = matrix_in(logits_array, op, "logits");
  const std::size_t rows = logits.dim(0), n = logits.dim(1);
  if (n == 0)
    throw py::value_error(std::string(op) + ": logits has shape " + logits.shape_text() +
                          ", there are no classes");
  const Labels labels(labels_array, op, "labels", rows, n);
  Empty<> losses({logits.dims[0]});
  auto dlogits = Empty<>::like(logits);
  run([=, losses = losses.data, dlogits = dlogits.data] {
    labels.check(op, "labels", n);  // a replay has other labels
    parallel_for(rows, row_grain(n), [&](std::size_t i, std::size_t end) {
      if (!kernels().softmax_cross_entropy(logits.data + i * n, labels.data + i, losses + i, dlogits + i * n,
                                           end - i, n))
        throw py::value_error(std::string(op) + ": labels were changed meanwhile, must be in [0, " +
                              std::to_string(n) + ")");
    });
  });
  return py::make_tuple(losses.take(), dlogits.take());
}

py::object row_sum(Array x_array) {
  const In x = matrix_in(x_array, "row_sum", "x");
  Empty<> sums({x.dims[0]});
  run([=, sums = sums.data] {
    const std::size_t n = x.dim(1);
    parallel_for(x.dim(0), row_grain(n), [&](std::size_t i, std::size_t end) {
      kernels().row_sum(x.data + i * n, sums + i, end - i, n);
    });
  });
  return sums.take();
}

py::object column_sum(Array x_array) {
  const In x = matrix_in(x_array, "column_sum", "x");
  Empty<> sums({x.dims[1]});
  run([=, sums = sums.data] {
    const std::size_t rows = x.dim(0), n = x.dim(1);
    parallel_for(n, column_grain(rows), [&](std::size_t j, std::size_t end) {
      kernels().column_sum(x.data + j, sums + j, rows, end - j, n);
    });
  });
  return sums.take();
}

}  // namespace

void bind_rows(py::module_& m) {
  bind_map(m, "softmax", &Table::softmax);
  bind_map2(m, "softmax_backward", &Table::softmax_backward);
  bind_map(m, "log_softmax", &Table::log_softmax);
  bind_map2(m, "log_softmax_backward", &Table::log_softmax_backward);
  m.def("softmax_cross_entropy", softmax_cross_entropy, py::arg("logits"), py::arg("labels"));
  m.def("row_sum", row_sum, py::arg("x"));
  m.def("column_sum", column_sum, py::arg("x"));
}

}  // namespace minidnn
