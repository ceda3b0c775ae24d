#include <algorithm>
#include <cmath>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "bindings/sums.hpp"
#include "dispatch.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {
namespace {

py::object squared_norm(Array x_array) {
  const In x(x_array, "squared_norm", "x");
  Empty<double> y(Shape{});
  run([=, y = y.data] { *y = sum_of_chunks(x, kernels().sum_of_squares); });
  return y.take();
}

py::object global_norm(const py::args& squares) {
  std::vector<const double*> parts;
  for (const auto& square : squares)
    parts.push_back(Scalar(Array{square.ptr()}, "global_norm", "squares").data);
  Empty<double> y(Shape{});
  run([=, y = y.data] {
    double sum = 0;
    for (const double* part : parts) sum += *part;
    *y = std::sqrt(sum);
  });
  return y.take();
}

py::object clip_factor(Array norm_array, double limit) {
  const Scalar norm(norm_array, "clip_factor", "norm");
  Empty<double> y(Shape{});
  run([=, y = y.data] { *y = *norm.data > limit && std::isfinite(*norm.data) ? limit / *norm.data : 1; });
  return y.take();
}

py::object trusted_rate(Array param_array, Array update_array, Real lr, double coefficient,
                        double weight_decay, double eps) {
  const Scalar param(param_array, "trusted_rate", "param_square");
  const Scalar update(update_array, "trusted_rate", "update_square");
  Empty<double> y(Shape{});
  run([=, y = y.data] {
    const double size = std::sqrt(*param.data), change = std::sqrt(*update.data);
    *y = lr.now();
    if (size > 0 && change > 0) *y = *y * coefficient * size / (change + weight_decay * size + eps);
  });
  return y.take();
}

py::object adafactor_rate(Array param_array, Array direction_array, Real lr, double count, double scale,
                          double d, Real step) {
  const Scalar param(param_array, "adafactor_rate", "param_square");
  const Scalar direction(direction_array, "adafactor_rate", "direction_square");
  Empty<double> y(Shape{});
  run([=, y = y.data] {
    const double size = std::sqrt(*param.data / count), length = std::sqrt(*direction.data / count) / d;
    const double rate = std::min(lr.now(), 1 / std::sqrt(step.now()));
    *y = (size > scale ? size : scale) * rate / (length > 1 ? length : 1);
  });
  return y.take();
}

py::object l1_l2_penalty(Array w_array, double l1, double l2) {
  const In w(w_array, "l1_l2_penalty", "w");
  Empty<> y(Shape{});
  run([=, y = y.data] {
    const double magnitudes = l1 == 0 ? 0 : sum_of_chunks(w, kernels().sum_of_magnitudes);
    const double squares = l2 == 0 ? 0 : sum_of_chunks(w, kernels().sum_of_squares);
    *y = static_cast<float>(l1 * magnitudes + l2 * squares);
  });
  return y.take();
}

py::object l1_l2_gradient(Array w_array, Array dy_array, double l1, double l2) {
  const In w(w_array, "l1_l2_gradient", "w");
  const In dy = scalar_in(dy_array, "l1_l2_gradient", "dy");
  auto dw = Empty<>::like(w);
  run_elementwise({w.size,
                   {reads(w), reads(dy), writes(dw.data, w.size)},
                   [=, dw = dw.data](std::size_t i, std::size_t end) {
                     const double factor = static_cast<double>(*dy.data);
                     const auto l1_part = static_cast<float>(factor * l1);
                     const auto l2_part = static_cast<float>(factor * 2 * l2);
                     kernels().l1_l2_gradient(w.data + i, dw + i, end - i, l1_part, l2_part);
                   }});
  return dw.take();
}

void scale(Array x_array, Real factor) {
  const InOut x(x_array, "scale", "x");
  run([=] {
    must_finish();
    const auto by = static_cast<float>(factor.now());
    if (by == 1) return;
    parallel_for(x.size, kGrain,
                 [&](std::size_t i, std::size_t end) { kernels().scale(x.data + i, end - i, by); });
  });
}

void clip(Array x_array, float low, float high) {
  const InOut x(x_array, "clip", "x");
  run([=] {
    must_finish();
    parallel_for(x.size, kGrain,
                 [&](std::size_t i, std::size_t end) { kernels().clip(x.data + i, end - i, low, high); });
  });
}

void mask_weights(Array w_array, Array mask_array) {
  const InOut w(w_array, "mask_weights", "w");
  const In mask(mask_array, "mask_weights", "mask");
  same_shape("mask_weights", "w", w, "mask", mask);
  disjoint("mask_weights", {{"w", w.data, w.size}, {"mask", mask.data, mask.size}});
  run([=] {
    parallel_for(w.size, kGrain, [&](std::size_t i, std::size_t end) {
      kernels().mask_weights(w.data + i, mask.data + i, end - i);
    });
  });
}

// rows_of(w, rows, columns) or columns_of(w, factors, rows, columns, stride) for every part of the matrix w.
template <class R, class C>
void rescale(const char* op, Array w_array, int axis, const R& rows_of, const C& columns_of) {
  const InOut w(w_array, op, "w");
  if (w.ndim != 2)
    throw py::value_error(std::string(op) + ": w has shape " + w.shape_text() + ", must have 2 axes");
  if (axis != 0 && axis != 1)
    throw py::value_error(std::string(op) + ": axis must be 0 or 1, got " + std::to_string(axis));
  run([=] {
    must_finish();
    if (w.size == 0) return;
    const std::size_t rows = w.rows(), n = w.columns();
    if (axis == 1) {
      parallel_for(rows, row_grain(n),
                   [&](std::size_t i, std::size_t end) { rows_of(w.data + i * n, end - i, n); });
    } else {
      std::vector<float> factors(n);
      parallel_for(n, column_grain(rows), [&](std::size_t j, std::size_t end) {
        columns_of(w.data + j, factors.data() + j, rows, end - j, n);
      });
    }
  });
}

void max_norm(Array w, float limit, int axis) {
  rescale(
      "max_norm", w, axis, [=](auto... part) { kernels().max_norm_rows(part..., limit); },
      [=](auto... part) { kernels().max_norm_columns(part..., limit); });
}

void unit_norm(Array w, int axis) {
  rescale("unit_norm", w, axis, kernels().unit_norm_rows, kernels().unit_norm_columns);
}

}  // namespace

void bind_weights(py::module_& m) {
  m.def("squared_norm", squared_norm, py::arg("x"));
  m.def("global_norm", global_norm);
  m.def("clip_factor", clip_factor, py::arg("norm"), py::arg("limit"));
  m.def("trusted_rate", trusted_rate, py::arg("param_square"), py::arg("update_square"), py::kw_only(),
        py::arg("lr"), py::arg("coefficient"), py::arg("weight_decay"), py::arg("eps"));
  m.def("adafactor_rate", adafactor_rate, py::arg("param_square"), py::arg("direction_square"), py::kw_only(),
        py::arg("lr"), py::arg("count"), py::arg("scale"), py::arg("d"), py::arg("step"));
  m.def("l1_l2_penalty", l1_l2_penalty, py::arg("w"), py::arg("l1"), py::arg("l2"));
  m.def("l1_l2_gradient", l1_l2_gradient, py::arg("w"), py::arg("dy"), py::arg("l1"), py::arg("l2"));
  m.def("scale", scale, py::arg("x"), py::arg("factor"));
  m.def("clip", clip, py::arg("x"), py::arg("low"), py::arg("high"));
  m.def("mask_weights", mask_weights, py::arg("w"), py::arg("mask"));
  m.def("max_norm", max_norm, py::arg("w"), py::arg("limit"), py::arg("axis"));
  m.def("unit_norm", unit_norm, py::arg("w"), py::arg("axis"));
}

}  // namespace minidnn
