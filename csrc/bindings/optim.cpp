#include <array>
#include <deque>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "dispatch.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {
namespace {

template <std::size_t N>
using Names = std::array<const char*, N>;
template <std::size_t>
using ArrayAt = Array;
template <std::size_t>
using RealOf = Real;

// Settings may lie in memory, and are read when the kernel runs.
template <std::size_t SLOTS, std::size_t SETTINGS>
void update(const char* op, Update formula, const Names<SLOTS + 2>& names,
            const std::array<Array, SLOTS + 2>& arrays, const std::array<Real, SETTINGS>& settings) {
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
  const auto scalars = std::make_shared<std::array<float, kMaxScalars>>();
  const auto derive = [=] {
    std::array<double, SETTINGS> now;
    for (std::size_t i = 0; i < SETTINGS; ++i) now[i] = settings[i].now();
    kernels().update[static_cast<int>(formula)].derive(now.data(), scalars->data());
  };
  run_elementwise({param.size, std::move(spans),
                   [=](std::size_t begin, std::size_t end) {
                     kernels().update[static_cast<int>(formula)].run(data.data(), begin, end,
                                                                     scalars->data());
                   },
                   derive, true});
}

// The number of names in a list such as "m, v".
constexpr std::size_t count_of(const char* list) {
  std::size_t count = *list != 0;
  for (; *list; ++list) count += *list == ',';
  return count;
}

// The names, each kept for as long as the process runs.
template <std::size_t N>
Names<N> names_of(const char* list) {
  static std::deque<std::string> kept;
  Names<N> names{};
  std::istringstream words(list);
  for (auto& name : names) {
    words >> kept.emplace_back();
    if (kept.back().back() == ',') kept.back().pop_back();
    name = kept.back().c_str();
  }
  return names;
}

// Defines op(param, grad, *slots, *, **settings).
template <std::size_t... S, std::size_t... H>
void bind_update(py::module_& m, const char* op, Update formula, const Names<sizeof...(S)>& slots,
                 const Names<sizeof...(H)>& settings, std::index_sequence<S...>, std::index_sequence<H...>) {
  constexpr std::size_t kSlots = sizeof...(S), kSettings = sizeof...(H);
  static_assert(kSlots <= kMaxSlots);
  const Names<kSlots + 2> names{"param", "grad", slots[S]...};
  m.def(
      op,
      [=](Array param, Array grad, ArrayAt<S>... arrays, RealOf<H>... values) {
        update<kSlots, kSettings>(op, formula, names, {param, grad, arrays...}, {values...});
      },
      py::arg("param"), py::arg("grad"), py::arg(slots[S])..., py::kw_only(), py::arg(settings[H])...);
}

}  // namespace

#define MINIDNN_TEXT(...) #__VA_ARGS__
#define MINIDNN_UPDATE(name, formula, slots, settings)                                                    \
  bind_update(m, #name "_step", Update::name, names_of<count_of(MINIDNN_TEXT slots)>(MINIDNN_TEXT slots), \
              names_of<count_of(MINIDNN_TEXT settings)>(MINIDNN_TEXT settings),                           \
              std::make_index_sequence<count_of(MINIDNN_TEXT slots)>(),                                   \
              std::make_index_sequence<count_of(MINIDNN_TEXT settings)>());

void bind_optim(py::module_& m) { MINIDNN_UPDATES(MINIDNN_UPDATE) }

#undef MINIDNN_UPDATE
#undef MINIDNN_TEXT

}  // namespace minidnn
