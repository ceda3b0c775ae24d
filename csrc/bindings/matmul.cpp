#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "dispatch.hpp"
#include "gemm.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {
namespace {

std::string shape_of(const Matrix& m) {
  return shape_text({static_cast<py::ssize_t>(m.rows), static_cast<py::ssize_t>(m.columns)});
}

Empty<> empty(std::size_t rows, std::size_t columns) {
  return Empty<>({static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(columns)});
}

py::object matmul(Array a_array, Array b_array) {
  const Matrix a = matrix(a_array, "matmul", "a"), b = matrix(b_array, "matmul", "b");
  if (a.columns != b.rows)
    throw py::value_error("matmul: a has shape " + shape_of(a) + ", b has " + shape_of(b) +
                          ": a's last axis must be b's first");
  auto c = empty(a.rows, b.columns);
  run([=, c = c.data] { gemm(kernels(), a, b, c); });
  return c.take();
}

void check_layer(const char* op, const Matrix& x, const Matrix& w) {
  if (x.columns != w.rows)
    throw py::value_error(std::string(op) + ": x has shape " + shape_of(x) + ", w has " + shape_of(w) +
                          ": x's last axis must be " + std::to_string(w.rows));
}

py::object dense(Array x_array, Array w_array, Array b_array, const char* activation, float alpha) {
  const Matrix x = matrix(x_array, "dense", "x"), w = matrix(w_array, "dense", "w");
  check_layer("dense", x, w);
  const In b(b_array, "dense", "b");
  if (b.ndim != 1 || b.size != w.columns)
    throw py::value_error("dense: b has shape " + b.shape_text() + ", w has " + shape_of(w) +
                          ": b must have (" + std::to_string(w.columns) + ",)");
  const auto act = static_cast<int>(activation_named("dense", activation));
  auto y = empty(x.rows, w.columns);
  run([=, y = y.data] {
    const Table& table = kernels();
    const Epilogue epilogue{table.activation[act].bias_forward, b.data, alpha};
    gemm(table, x, w, y, &epilogue);
  });
  return y.take();
}

py::tuple dense_backward(Array dy_array, Array x_array, Array w_array, Array y_array, const char* activation,
                         float alpha, bool need_dx, bool need_dw) {
  const char* op = "dense_backward";
  const In dy(dy_array, op, "dy"), y(y_array, op, "y");
  const Matrix x = matrix(x_array, op, "x"), w = matrix(w_array, op, "w");
  check_layer(op, x, w);
  same_shape(op, "dy", dy, "y", y);
  if (y.ndim != 2 || y.dim(0) != x.rows || y.dim(1) != w.columns)
    throw py::value_error(std::string(op) + ": y has shape " + y.shape_text() + ", x has " + shape_of(x) +
                          ", w has " + shape_of(w) + ": y must be x.rows by w.columns");
  const Act act = activation_named(op, activation);
  if (!derivative_reads_output(act))
    throw py::value_error(std::string(op) + ": activation is '" + activation +
                          "', whose derivative reads the input, which a dense layer does not keep");
  const std::size_t rows = x.rows, columns = w.columns;
  auto dw = empty(need_dw ? w.rows : 0, columns);
  Empty<> db({static_cast<py::ssize_t>(need_dw ? columns : 0)});
  auto dz = empty(act == Act::identity ? 0 : rows, columns);
  auto dx = empty(need_dx ? rows : 0, x.columns);
  run([=, dw = dw.data, db = db.data, dz = dz.data, dx = dx.data] {
    const Table& table = kernels();
    const float* gradient = dy.data;
    if (act != Act::identity) {
      const auto f = table.activation[static_cast<int>(act)].backward;
      parallel_for(dy.size, kGrain, [&](std::size_t i, std::size_t end) {
        f(dy.data + i, y.data + i, dz + i, end - i, alpha);
      });
      gradient = dz;
    }
    const Matrix z{gradient, rows, columns, static_cast<std::ptrdiff_t>(columns), 1};
    if (need_dw) {
      parallel_for(columns, column_grain(rows), [&](std::size_t j, std::size_t end) {
        table.column_sum(gradient + j, db + j, rows, end - j, columns);
      });
      gemm(table, x.transposed(), z, dw);
    }
    if (need_dx) gemm(table, z, w.transposed(), dx);
  });
  return py::make_tuple(need_dx ? dx.take() : py::none(), need_dw ? dw.take() : py::none(),
                        need_dw ? db.take() : py::none());
}

}  // namespace

void bind_matmul(py::module_& m) {
  m.def("matmul", matmul, py::arg("a"), py::arg("b"));
  m.def("dense", dense, py::arg("x"), py::arg("w"), py::arg("b"), py::arg("activation"), py::arg("alpha"));
  m.def("dense_backward", dense_backward, py::arg("dy"), py::arg("x"), py::arg("w"), py::arg("y"),
        py::arg("activation"), py::arg("alpha"), py::arg("need_dx"), py::arg("need_dw"));
}

}  // namespace minidnn
