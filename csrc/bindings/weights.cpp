#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "dispatch.hpp"
#include "parallel.hpp"

namespace minidnn {
namespace {

// The sum over chunks of a fixed size, added up in their order: the same for every number of threads.
double sum_of_chunks(const In& x, double (*sum)(const float*, std::size_t)) {
  const std::size_t chunks = (x.size + kGrain - 1) / kGrain;
  std::vector<double> sums(chunks);
  parallel_for(chunks, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t c = begin; c < end; ++c)
      sums[c] = sum(x.data + c * kGrain, std::min(kGrain, x.size - c * kGrain));
  });
  double total = 0;
  for (const double s : sums) total += s;
  return total;
}

double squared_norm(Array x_array) {
  const In x(x_array, "squared_norm", "x");
  const Unlocked unlocked;
  return sum_of_chunks(x, kernels().sum_of_squares);
}

double l1_l2_penalty(Array w_array, double l1, double l2) {
  const In w(w_array, "l1_l2_penalty", "w");
  const Unlocked unlocked;
  const double magnitudes = l1 == 0 ? 0 : sum_of_chunks(w, kernels().sum_of_magnitudes);
  const double squares = l2 == 0 ? 0 : sum_of_chunks(w, kernels().sum_of_squares);
  return l1 * magnitudes + l2 * squares;
}

py::object l1_l2_gradient(Array w_array, double l1, double l2) {
  const In w(w_array, "l1_l2_gradient", "w");
  auto dw = Empty<>::like(w);
  {
    const Unlocked unlocked;
    parallel_for(w.size, kGrain, [&](std::size_t i, std::size_t end) {
      kernels().l1_l2_gradient(w.data + i, dw.data + i, end - i, static_cast<float>(l1),
                               static_cast<float>(2 * l2));
    });
  }
  return dw.take();
}

void scale(Array x_array, float factor) {
  const InOut x(x_array, "scale", "x");
  const Unlocked unlocked;
  parallel_for(x.size, kGrain,
               [&](std::size_t i, std::size_t end) { kernels().scale(x.data + i, end - i, factor); });
}

void clip(Array x_array, float low, float high) {
  const InOut x(x_array, "clip", "x");
  const Unlocked unlocked;
  parallel_for(x.size, kGrain,
               [&](std::size_t i, std::size_t end) { kernels().clip(x.data + i, end - i, low, high); });
}

// rows(w, rows, columns) or columns(w, factors, rows, columns, stride) for every part of the matrix w.
template <class R, class C>
void rescale(const char* op, Array w_array, int axis, const R& rows_of, const C& columns_of) {
  const InOut w(w_array, op, "w");
  if (w.ndim != 2)
    throw py::value_error(std::string(op) + ": w has shape " + w.shape_text() + ", must have 2 axes");
  if (axis != 0 && axis != 1)
    throw py::value_error(std::string(op) + ": axis must be 0 or 1, got " + std::to_string(axis));
  const Unlocked unlocked;
  const std::size_t rows = w.dim(0), n = w.dim(1);
  if (axis == 1) {
    parallel_for(rows, row_grain(n),
                 [&](std::size_t i, std::size_t end) { rows_of(w.data + i * n, end - i, n); });
  } else {
    std::vector<float> factors(n);
    parallel_for(n, column_grain(rows), [&](std::size_t j, std::size_t end) {
      columns_of(w.data + j, factors.data() + j, rows, end - j, n);
    });
  }
}

void max_norm(Array w, float limit, int axis) {
  const Table& table = kernels();
  rescale(
      "max_norm", w, axis, [&](auto... part) { table.max_norm_rows(part..., limit); },
      [&](auto... part) { table.max_norm_columns(part..., limit); });
}

void unit_norm(Array w, int axis) {
  rescale("unit_norm", w, axis, kernels().unit_norm_rows, kernels().unit_norm_columns);
}

}  // namespace

void bind_weights(py::module_& m) {
  m.def("squared_norm", squared_norm, py::arg("x"));
  m.def("l1_l2_penalty", l1_l2_penalty, py::arg("w"), py::arg("l1"), py::arg("l2"));
  m.def("l1_l2_gradient", l1_l2_gradient, py::arg("w"), py::arg("l1"), py::arg("l2"));
  m.def("scale", scale, py::arg("x"), py::arg("factor"));
  m.def("clip", clip, py::arg("x"), py::arg("low"), py::arg("high"));
  m.def("max_norm", max_norm, py::arg("w"), py::arg("limit"), py::arg("axis"));
  m.def("unit_norm", unit_norm, py::arg("w"), py::arg("axis"));
}

}  // namespace minidnn
