#include <cmath>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "dispatch.hpp"
#include "parallel.hpp"

namespace minidnn {
namespace {

// f(key) with the key given, and in replays with that of its cell, if it has one.
template <class F>
void run_draw(const DrawKey& key, F f) {
  const int cell = recorder ? recorder->draw_cell(key) : -1;
  run([=] { f(key); },
      [=](const Cells& cells) { f(cell < 0 ? key : cells.draws[static_cast<std::size_t>(cell)]); });
}

constexpr std::size_t kRandomGrain = kGrain / 4;  // a random element costs several plain ones

// Block numbers are 32 bits wide, four elements a block.
void check_count(const char* op, std::size_t n) {
  if (n > (std::size_t{1} << 34))
    throw py::value_error(std::string(op) + ": a draw has at most 2**34 elements, asked for " +
                          std::to_string(n));
}

py::object random_bits(std::size_t n, std::uint64_t seed, std::uint32_t stream, std::uint64_t draw) {
  check_count("random_bits", n);
  Empty<std::uint32_t> bits({static_cast<py::ssize_t>(n)});
  run_draw({seed, draw, stream}, [=, bits = bits.data](const DrawKey& key) {
    parallel_for(n, kRandomGrain,
                 [&](std::size_t begin, std::size_t end) { kernels().random_bits(bits, begin, end, key); });
  });
  return bits.take();
}

py::object random_normal(std::size_t n, double mean, double std, std::uint64_t seed, std::uint32_t stream,
                         std::uint64_t draw) {
  check_count("random_normal", n);
  Empty<> y({static_cast<py::ssize_t>(n)});
  run_draw({seed, draw, stream}, [=, y = y.data](const DrawKey& key) {
    parallel_for(n, kRandomGrain, [&](std::size_t begin, std::size_t end) {
      kernels().random_normal(y, begin, end, key, mean, std);
    });
  });
  return y.take();
}

py::object bernoulli(Array p_array, std::uint64_t seed, std::uint32_t stream, std::uint64_t draw) {
  const In p(p_array, "bernoulli", "p");
  check_count("bernoulli", p.size);
  auto y = Empty<>::like(p);
  run_draw({seed, draw, stream}, [=, y = y.data](const DrawKey& key) {
    parallel_for(p.size, kRandomGrain, [&](std::size_t begin, std::size_t end) {
      kernels().bernoulli(p.data, y, begin, end, key);
    });
  });
  return y.take();
}

py::object dropout(Array x_array, double rate, std::uint64_t seed, std::uint32_t stream, std::uint64_t draw) {
  const In x(x_array, "dropout", "x");
  check_count("dropout", x.size);
  if (!(rate >= 0.0 && rate < 1.0))
    throw py::value_error("dropout: rate must be in [0, 1), got " + std::to_string(rate));
  auto y = Empty<>::like(x);
  run_draw({seed, draw, stream}, [=, y = y.data](const DrawKey& key) {
    const auto threshold = static_cast<std::uint32_t>(std::min(std::nearbyint(rate * 0x1p32), 0x1p32 - 1));
    const auto scale = static_cast<float>(1.0 / (1.0 - rate));
    parallel_for(x.size, kRandomGrain, [&](std::size_t begin, std::size_t end) {
      kernels().dropout(x.data, y, begin, end, key, threshold, scale);
    });
  });
  return y.take();
}

py::object rrelu(Array x_array, double lower, double upper, std::uint64_t seed, std::uint32_t stream,
                 std::uint64_t draw) {
  const In x(x_array, "rrelu", "x");
  check_count("rrelu", x.size);
  auto y = Empty<>::like(x);
  run_draw({seed, draw, stream}, [=, y = y.data](const DrawKey& key) {
    parallel_for(x.size, kRandomGrain, [&](std::size_t begin, std::size_t end) {
      kernels().rrelu(x.data, y, begin, end, key, static_cast<float>(lower),
                      static_cast<float>(upper - lower));
    });
  });
  return y.take();
}

py::object rrelu_backward(Array dy_array, Array x_array, double lower, double upper, std::uint64_t seed,
                          std::uint32_t stream, std::uint64_t draw) {
  const In dy(dy_array, "rrelu_backward", "dy"), x(x_array, "rrelu_backward", "x");
  same_shape("rrelu_backward", "dy", dy, "x", x);
  check_count("rrelu_backward", x.size);
  auto dx = Empty<>::like(x);
  run_draw({seed, draw, stream}, [=, dx = dx.data](const DrawKey& key) {
    parallel_for(x.size, kRandomGrain, [&](std::size_t begin, std::size_t end) {
      kernels().rrelu_backward(dy.data, x.data, dx, begin, end, key, static_cast<float>(lower),
                               static_cast<float>(upper - lower));
    });
  });
  return dx.take();
}

}  // namespace

void bind_random(py::module_& m) {
  const py::arg seed("seed"), stream("stream"), draw("draw"), lower("lower"), upper("upper");
  m.def("random_bits", random_bits, py::arg("n"), seed, stream, draw);
  m.def("random_normal", random_normal, py::arg("n"), py::arg("mean"), py::arg("std"), seed, stream, draw);
  m.def("bernoulli", bernoulli, py::arg("p"), seed, stream, draw);
  m.def("dropout", dropout, py::arg("x"), py::arg("rate"), seed, stream, draw);
  m.def("rrelu", rrelu, py::arg("x"), lower, upper, seed, stream, draw);
  m.def("rrelu_backward", rrelu_backward, py::arg("dy"), py::arg("x"), lower, upper, seed, stream, draw);
}

}  // namespace minidnn
