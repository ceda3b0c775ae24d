#include <array>
#include <cmath>
#include <memory>
#include <utility>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "dispatch.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {
namespace {

// Which formula, and its scalars: derived in double as the reference derives them, rounded to float once.
struct OneUpdate {
  Update formula;
  std::array<float, kMaxScalars> scalars{};

  template <class... D>
  explicit OneUpdate(Update u, D... values) : formula(u), scalars{static_cast<float>(values)...} {}
};

template <std::size_t N>
using Names = std::array<const char*, N>;
template <std::size_t>
using ArrayAt = Array;
template <std::size_t>
using RealOf = Real;

// formula() gives the scalars of an update, from settings that may lie in memory.
template <std::size_t SLOTS, class F>
void update(const char* op, const Names<SLOTS + 2>& names, const std::array<Array, SLOTS + 2>& arrays,
            F formula) {
  std::vector<Named> named;
  std::array<float*, SLOTS + 2> data{};
  const InOut param(arrays[0], op, names[0]);
  const In grad(arrays[1], op, names[1]);
  same_shape(op, names[0], param, names[1], grad);
  data[0] = param.data, data[1] = const_cast<float*>(grad.data);  // updates only read it
  for (std::size_t i = 2; i < SLOTS + 2; ++i) {
    const InOut slot(arrays[i], op, names[i]);
    same_shape(op, names[0], param, names[i], slot);
    data[i] = slot.data;
  }
  for (std::size_t i = 0; i < SLOTS + 2; ++i) named.push_back({names[i], data[i], param.size});
  disjoint(op, named);
  std::vector<program::Span> spans;
  for (std::size_t i = 0; i < SLOTS + 2; ++i) spans.push_back({data[i], param.size, i != 1});
  const auto now = std::make_shared<OneUpdate>(formula());
  run_elementwise({param.size, std::move(spans),
                   [=](std::size_t begin, std::size_t end) {
                     kernels().update[static_cast<int>(now->formula)](data.data(), begin, end,
                                                                      now->scalars.data());
                   },
                   [=] { *now = formula(); }, true});
}

// Defines op(param, grad, *slots, *, **hyperparameters); make_step takes the hyperparameters, as doubles.
template <std::size_t SLOTS, std::size_t HYPERS, class F, std::size_t... S, std::size_t... H>
void bind_step(py::module_& m, const char* op, const Names<SLOTS>& slots, const Names<HYPERS>& hypers,
               F make_step, std::index_sequence<S...>, std::index_sequence<H...>) {
  const Names<SLOTS + 2> names{"param", "grad", slots[S]...};
  m.def(
      op,
      [=](Array param, Array grad, ArrayAt<S>... arrays, RealOf<H>... hyper) {
        update<SLOTS>(op, names, {param, grad, arrays...}, [=] { return make_step(hyper.now()...); });
      },
      py::arg("param"), py::arg("grad"), py::arg(slots[S])..., py::kw_only(), py::arg(hypers[H])...);
}

template <std::size_t SLOTS, std::size_t HYPERS, class F>
void bind_step(py::module_& m, const char* op, const Names<SLOTS>& slots, const Names<HYPERS>& hypers,
               F make_step) {
  bind_step<SLOTS, HYPERS>(m, op, slots, hypers, make_step, std::make_index_sequence<SLOTS>(),
                           std::make_index_sequence<HYPERS>());
}

// The bias corrections of Adam and its variants.
double rate(double lr, double beta1, double step) { return lr / (1 - std::pow(beta1, step)); }
double root(double beta2, double step) { return 1 / std::sqrt(1 - std::pow(beta2, step)); }

}  // namespace

void bind_optim(py::module_& m) {
  const auto d = [](auto... names) { return Names<sizeof...(names)>{names...}; };

  bind_step(m, "sgd_step", d(), d("lr"), [](double lr) { return OneUpdate(Update::sgd, lr); });
  bind_step(m, "momentum_step", d("velocity"), d("lr", "momentum"),
            [](double lr, double momentum) { return OneUpdate(Update::momentum, lr, momentum); });
  bind_step(m, "nesterov_step", d("velocity"), d("lr", "momentum"),
            [](double lr, double momentum) { return OneUpdate(Update::nesterov, lr, momentum); });
  bind_step(m, "adagrad_step", d("accumulator"), d("lr", "eps"),
            [](double lr, double eps) { return OneUpdate(Update::adagrad, lr, eps); });
  bind_step(m, "rmsprop_step", d("s"), d("lr", "decay", "eps"), [](double lr, double decay, double eps) {
    return OneUpdate(Update::rmsprop, lr, decay, 1 - decay, eps);
  });
  bind_step(m, "rmsprop_momentum_step", d("s", "mom"), d("lr", "decay", "momentum", "eps"),
            [](double lr, double decay, double momentum, double eps) {
              return OneUpdate(Update::rmsprop_momentum, lr, decay, 1 - decay, momentum, eps);
            });
  bind_step(m, "rmsprop_centered_step", d("s", "mom", "mean"), d("lr", "decay", "momentum", "eps"),
            [](double lr, double decay, double momentum, double eps) {
              return OneUpdate(Update::rmsprop_centered, lr, decay, 1 - decay, momentum, eps);
            });
  bind_step(m, "adam_step", d("m", "v"), d("lr", "beta1", "beta2", "eps", "step"),
            [](double lr, double beta1, double beta2, double eps, double step) {
              return OneUpdate(Update::adam, rate(lr, beta1, step), root(beta2, step), beta1, 1 - beta1,
                               beta2, 1 - beta2, eps);
            });
  bind_step(m, "amsgrad_step", d("m", "v", "v_max"), d("lr", "beta1", "beta2", "eps", "step"),
            [](double lr, double beta1, double beta2, double eps, double step) {
              return OneUpdate(Update::amsgrad, rate(lr, beta1, step), root(beta2, step), beta1, 1 - beta1,
                               beta2, 1 - beta2, eps);
            });
  bind_step(m, "adamw_step", d("m", "v"), d("lr", "beta1", "beta2", "eps", "weight_decay", "step"),
            [](double lr, double beta1, double beta2, double eps, double weight_decay, double step) {
              return OneUpdate(Update::adamw, rate(lr, beta1, step), root(beta2, step), beta1, 1 - beta1,
                               beta2, 1 - beta2, eps, 1 - lr * weight_decay);
            });
  bind_step(m, "nadam_step", d("m", "v"), d("lr", "beta1", "beta2", "eps", "step"),
            [](double lr, double beta1, double beta2, double eps, double step) {
              return OneUpdate(Update::nadam, beta1 * rate(lr, beta1, step + 1),
                               (1 - beta1) * rate(lr, beta1, step), root(beta2, step), beta1, 1 - beta1,
                               beta2, 1 - beta2, eps);
            });
  bind_step(m, "adamax_step", d("m", "u"), d("lr", "beta1", "beta2", "eps", "step"),
            [](double lr, double beta1, double beta2, double eps, double step) {
              return OneUpdate(Update::adamax, rate(lr, beta1, step), beta1, 1 - beta1, beta2, eps);
            });
  bind_step(
      m, "adadelta_step", d("s", "delta"), d("lr", "rho", "eps"),
      [](double lr, double rho, double eps) { return OneUpdate(Update::adadelta, lr, rho, 1 - rho, eps); });
  bind_step(m, "lion_step", d("m"), d("lr", "beta1", "beta2", "weight_decay"),
            [](double lr, double beta1, double beta2, double weight_decay) {
              return OneUpdate(Update::lion, lr, 1 - lr * weight_decay, beta1, 1 - beta1, beta2, 1 - beta2);
            });
  bind_step(m, "ftrl_step", d("accumulator", "linear"),
            d("lr", "lr_power", "l1", "l2", "l2_shrinkage", "beta"),
            [](double lr, double lr_power, double l1, double l2, double l2_shrinkage, double beta) {
              const Update form = lr_power == -0.5 ? Update::ftrl_square_root
                                  : lr_power == 0  ? Update::ftrl_one
                                                   : Update::ftrl_power;
              return OneUpdate(form, lr, l1, 2 * l2 + beta / lr, 2 * l2_shrinkage, -lr_power);
            });
}

}  // namespace minidnn
