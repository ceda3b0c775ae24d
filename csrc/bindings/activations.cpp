#include <cstring>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "dispatch.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {
namespace {

struct ActName {
  Act act;
  const char *name, *backward;
  bool has_alpha;
  const char* reads;  // y or x
};

#define MINIDNN_ACT(name, formula, has_alpha, reads) {Act::name, #name, #name "_backward", has_alpha, #reads},
constexpr ActName kActs[] = {{Act::identity, "identity", nullptr, false, "y"},
                             MINIDNN_ACTIVATIONS(MINIDNN_ACT)};
#undef MINIDNN_ACT

py::object forward(const ActName& act, Array x_array, float alpha) {
  const In x(x_array, act.name, "x");
  auto y = Empty<>::like(x);
  run([=, y = y.data, act = static_cast<int>(act.act)] {
    const auto f = kernels().activation[act].forward;
    parallel_for(x.size, kGrain,
                 [&](std::size_t i, std::size_t end) { f(x.data + i, y + i, end - i, alpha); });
  });
  return y.take();
}

py::object backward(const ActName& act, Array dy_array, Array x_or_y_array, float alpha) {
  const In dy(dy_array, act.backward, "dy"), x_or_y(x_or_y_array, act.backward, act.reads);
  same_shape(act.backward, "dy", dy, act.reads, x_or_y);
  auto dx = Empty<>::like(x_or_y);
  run([=, dx = dx.data, act = static_cast<int>(act.act)] {
    const auto f = kernels().activation[act].backward;
    parallel_for(x_or_y.size, kGrain, [&](std::size_t i, std::size_t end) {
      f(dy.data + i, x_or_y.data + i, dx + i, end - i, alpha);
    });
  });
  return dx.take();
}

void bind(py::module_& m, const ActName& act) {
  if (act.has_alpha) {
    m.def(
        act.name, [&act](Array x, float alpha) { return forward(act, x, alpha); }, py::arg("x"),
        py::arg("alpha"));
    m.def(
        act.backward,
        [&act](Array dy, Array x_or_y, float alpha) { return backward(act, dy, x_or_y, alpha); },
        py::arg("dy"), py::arg(act.reads), py::arg("alpha"));
  } else {
    m.def(act.name, [&act](Array x) { return forward(act, x, 0.0f); }, py::arg("x"));
    m.def(
        act.backward, [&act](Array dy, Array x_or_y) { return backward(act, dy, x_or_y, 0.0f); },
        py::arg("dy"), py::arg(act.reads));
  }
}

In prelu_slopes(const char* op, Array alpha_array, const In& x) {
  const In alpha(alpha_array, op, "alpha");
  if (x.ndim == 0 || alpha.ndim != 1 || alpha.size != x.columns())
    throw py::value_error(std::string(op) + ": x has shape " + x.shape_text() + ", alpha has " +
                          alpha.shape_text() + ": alpha must have one slope for each place on x's last axis");
  return alpha;
}

py::object prelu(Array x_array, Array alpha_array) {
  const In x(x_array, "prelu", "x"), alpha = prelu_slopes("prelu", alpha_array, x);
  auto y = Empty<>::like(x);
  run([=, y = y.data] {
    const std::size_t n = x.columns();
    parallel_for(x.rows(), row_grain(n), [&](std::size_t i, std::size_t end) {
      kernels().prelu(x.data + i * n, alpha.data, y + i * n, end - i, n);
    });
  });
  return y.take();
}

py::tuple prelu_backward(Array dy_array, Array x_array, Array alpha_array, bool need_dalpha) {
  const char* op = "prelu_backward";
  const In dy(dy_array, op, "dy"), x(x_array, op, "x"), alpha = prelu_slopes(op, alpha_array, x);
  same_shape(op, "dy", dy, "x", x);
  auto dx = Empty<>::like(x);
  Empty<> dalpha({static_cast<py::ssize_t>(need_dalpha ? alpha.size : 0)});
  run([=, dx = dx.data, dalpha = dalpha.data] {
    const std::size_t n = x.columns(), rows = x.rows();
    parallel_for(rows, row_grain(n), [&](std::size_t i, std::size_t end) {
      kernels().prelu_backward(dy.data + i * n, x.data + i * n, alpha.data, dx + i * n, end - i, n);
    });
    if (!need_dalpha) return;
    parallel_for(n, column_grain(rows), [&](std::size_t j, std::size_t end) {
      kernels().prelu_alpha(dy.data + j, x.data + j, dalpha + j, rows, end - j, n);
    });
  });
  return py::make_tuple(dx.take(), need_dalpha ? dalpha.take() : py::none());
}

}  // namespace

Act activation_named(const char* op, const char* name) {
  std::string choices;
  for (const auto& act : kActs) {
    if (name && std::strcmp(act.name, name) == 0) return act.act;
    choices += (choices.empty() ? "" : ", ") + std::string(act.name);
  }
  throw py::value_error(std::string(op) + ": activation is " +
                        (name ? "'" + std::string(name) + "'" : "None") + ", must be one of " + choices);
}

bool derivative_reads_output(Act act) { return kActs[static_cast<int>(act)].reads[0] == 'y'; }

void bind_activations(py::module_& m) {
  for (const auto& act : kActs)
    if (act.backward) bind(m, act);
  m.def("prelu", prelu, py::arg("x"), py::arg("alpha"));
  m.def("prelu_backward", prelu_backward, py::arg("dy"), py::arg("x"), py::arg("alpha"),
        py::arg("need_dalpha"));
}

}  // namespace minidnn
