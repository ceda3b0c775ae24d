#include <limits>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "dispatch.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {
namespace {

// A matrix, as every kernel here takes.
struct Rows : In {
  Rows(Array a, const char* op, const char* name) : In(a, op, name) {
    if (ndim != 2 || size == 0)
      throw py::value_error(std::string(op) + ": " + name + " has shape " + shape_text() +
                            ", must have 2 axes, none of them empty");
  }
};

// One number for each of n columns (or rows).
struct Each : In {
  Each(Array a, const char* op, const char* name, std::size_t n) : In(a, op, name) {
    if (ndim != 1 || size != n)
      throw py::value_error(std::string(op) + ": " + name + " has shape " + shape_text() + ", must have (" +
                            std::to_string(n) + ",)");
  }
};

Empty<> vector(std::size_t n) { return Empty<>({static_cast<py::ssize_t>(n)}); }

py::tuple batch_norm(Array x_array, Array gamma_array, Array beta_array, float eps) {
  const char* op = "batch_norm";
  const Rows x(x_array, op, "x");
  const std::size_t rows = x.dim(0), n = x.dim(1);
  const Each gamma(gamma_array, op, "gamma", n), beta(beta_array, op, "beta", n);
  auto y = Empty<>::like(x);
  auto mean = vector(n), var = vector(n);
  run([=, y = y.data, mean = mean.data, var = var.data] {
    const Table& table = kernels();
    parallel_for(n, column_grain(rows), [&](std::size_t j, std::size_t end) {
      table.batch_statistics(x.data + j, mean + j, var + j, rows, end - j, n);
      table.batch_norm(x.data + j, gamma.data + j, beta.data + j, mean + j, var + j, eps, y + j, rows,
                       end - j, n);
    });
  });
  return py::make_tuple(y.take(), mean.take(), var.take());
}

py::object batch_norm_eval(Array x_array, Array gamma_array, Array beta_array, Array mean_array,
                           Array var_array, float eps) {
  const char* op = "batch_norm_eval";
  const Rows x(x_array, op, "x");
  const std::size_t rows = x.dim(0), n = x.dim(1);
  const Each gamma(gamma_array, op, "gamma", n), beta(beta_array, op, "beta", n),
      mean(mean_array, op, "mean", n), var(var_array, op, "var", n);
  auto y = Empty<>::like(x);
  run([=, y = y.data] {
    parallel_for(n, column_grain(rows), [&](std::size_t j, std::size_t end) {
      kernels().batch_norm(x.data + j, gamma.data + j, beta.data + j, mean.data + j, var.data + j, eps, y + j,
                           rows, end - j, n);
    });
  });
  return y.take();
}

// of_batch: whether mean and var came from x itself.
py::tuple batch_norm_gradients(const char* op, bool of_batch, Array dy_array, Array x_array,
                               Array gamma_array, Array mean_array, Array var_array, float eps) {
  const Rows dy(dy_array, op, "dy"), x(x_array, op, "x");
  same_shape(op, "dy", dy, "x", x);
  const std::size_t rows = x.dim(0), n = x.dim(1);
  const Each gamma(gamma_array, op, "gamma", n), mean(mean_array, op, "mean", n),
      var(var_array, op, "var", n);
  auto dx = Empty<>::like(x);
  auto dgamma = vector(n), dbeta = vector(n);
  run([=, dx = dx.data, dgamma = dgamma.data, dbeta = dbeta.data] {
    const Table& table = kernels();
    const float count = of_batch ? static_cast<float>(rows) : std::numeric_limits<float>::infinity();
    parallel_for(n, column_grain(rows), [&](std::size_t j, std::size_t end) {
      table.batch_norm_sums(dy.data + j, x.data + j, mean.data + j, var.data + j, eps, dgamma + j, dbeta + j,
                            rows, end - j, n);
      table.batch_norm_backward(dy.data + j, x.data + j, gamma.data + j, mean.data + j, var.data + j, eps,
                                dgamma + j, dbeta + j, count, dx + j, rows, end - j, n);
    });
  });
  return py::make_tuple(dx.take(), dgamma.take(), dbeta.take());
}

py::tuple layer_norm(Array x_array, Array gamma_array, Array beta_array, float eps) {
  const char* op = "layer_norm";
  const Rows x(x_array, op, "x");
  const std::size_t rows = x.dim(0), n = x.dim(1);
  const Each gamma(gamma_array, op, "gamma", n), beta(beta_array, op, "beta", n);
  auto y = Empty<>::like(x);
  auto mean = vector(rows), var = vector(rows);
  run([=, y = y.data, mean = mean.data, var = var.data] {
    parallel_for(rows, row_grain(n), [&](std::size_t i, std::size_t end) {
      kernels().layer_norm(x.data + i * n, gamma.data, beta.data, eps, y + i * n, mean + i, var + i, end - i,
                           n);
    });
  });
  return py::make_tuple(y.take(), mean.take(), var.take());
}

py::tuple layer_norm_backward(Array dy_array, Array x_array, Array gamma_array, Array mean_array,
                              Array var_array, float eps, bool need_dgamma) {
  const char* op = "layer_norm_backward";
  const Rows dy(dy_array, op, "dy"), x(x_array, op, "x");
  same_shape(op, "dy", dy, "x", x);
  const std::size_t rows = x.dim(0), n = x.dim(1);
  const Each gamma(gamma_array, op, "gamma", n), mean(mean_array, op, "mean", rows),
      var(var_array, op, "var", rows);
  auto dx = Empty<>::like(x);
  auto dgamma = vector(need_dgamma ? n : 0), dbeta = vector(need_dgamma ? n : 0);
  run([=, dx = dx.data, dgamma = dgamma.data, dbeta = dbeta.data] {
    const Table& table = kernels();
    parallel_for(rows, row_grain(n), [&](std::size_t i, std::size_t end) {
      table.layer_norm_backward(dy.data + i * n, x.data + i * n, gamma.data, mean.data + i, var.data + i, eps,
                                dx + i * n, end - i, n);
    });
    if (!need_dgamma) return;
    parallel_for(n, column_grain(rows), [&](std::size_t j, std::size_t end) {
      table.layer_norm_sums(dy.data + j, x.data + j, mean.data, var.data, eps, dgamma + j, dbeta + j, rows,
                            end - j, n);
    });
  });
  return py::make_tuple(dx.take(), need_dgamma ? dgamma.take() : py::none(),
                        need_dgamma ? dbeta.take() : py::none());
}

}  // namespace

void bind_normalization(py::module_& m) {
  const py::arg x("x"), dy("dy"), gamma("gamma"), beta("beta"), mean("mean"), var("var"), eps("eps");
  m.def("batch_norm", batch_norm, x, gamma, beta, eps);
  m.def("batch_norm_eval", batch_norm_eval, x, gamma, beta, mean, var, eps);
  m.def("layer_norm", layer_norm, x, gamma, beta, eps);
  m.def("layer_norm_backward", layer_norm_backward, dy, x, gamma, mean, var, eps, py::arg("need_dgamma"));
  for (const bool of_batch : {true, false}) {
    const char* op = of_batch ? "batch_norm_backward" : "batch_norm_eval_backward";
    const auto call = [=](Array g, Array value, Array scale, Array m1, Array m2, float e) {
      return batch_norm_gradients(op, of_batch, g, value, scale, m1, m2, e);
    };
    m.def(op, call, dy, x, gamma, mean, var, eps);
  }
}

}  // namespace minidnn
