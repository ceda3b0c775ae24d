#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "dispatch.hpp"
#include "parallel.hpp"

namespace minidnn {
namespace {

void sgd_step(Array param_array, Array grad_array, float lr) {
  const char* op = "sgd_step";
  const InOut param(param_array, op, "param");
  const In grad(grad_array, op, "grad");
  same_shape(op, "param", param, "grad", grad);
  disjoint(op, {{"param", param.data, param.size}, {"grad", grad.data, grad.size}});
  const Unlocked unlocked;
  parallel_for(param.size, kGrain, [&](std::size_t i, std::size_t end) {
    kernels().sgd(param.data + i, grad.data + i, end - i, lr);
  });
}

using SlotStep = void (*)(float*, const float*, float*, std::size_t, float, float);

void bind_velocity_step(py::module_& m, const char* op, SlotStep Table::* kernel) {
  const auto step = [=](Array param_array, Array grad_array, Array velocity_array, float lr, float momentum) {
    const InOut param(param_array, op, "param"), velocity(velocity_array, op, "velocity");
    const In grad(grad_array, op, "grad");
    same_shape(op, "param", param, "grad", grad);
    same_shape(op, "param", param, "velocity", velocity);
    disjoint(op, {{"param", param.data, param.size},
                  {"grad", grad.data, grad.size},
                  {"velocity", velocity.data, velocity.size}});
    const Unlocked unlocked;
    parallel_for(param.size, kGrain, [&](std::size_t i, std::size_t end) {
      (kernels().*kernel)(param.data + i, grad.data + i, velocity.data + i, end - i, lr, momentum);
    });
  };
  m.def(op, step, py::arg("param"), py::arg("grad"), py::arg("velocity"), py::kw_only(), py::arg("lr"),
        py::arg("momentum"));
}

}  // namespace

void bind_optim(py::module_& m) {
  m.def("sgd_step", sgd_step, py::arg("param"), py::arg("grad"), py::kw_only(), py::arg("lr"));
  bind_velocity_step(m, "momentum_step", &Table::momentum);
  bind_velocity_step(m, "nesterov_step", &Table::nesterov);
}

}  // namespace minidnn
