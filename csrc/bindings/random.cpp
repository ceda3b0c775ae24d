#include <cmath>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "dispatch.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {
namespace {

// The key of a draw; the draw's number may be read from memory.
struct Key {
  std::uint64_t seed;
  std::uint32_t stream;
  Count draw;
  DrawKey now() const { return {seed, draw.now(), stream}; }
};

constexpr std::size_t kRandomGrain = kGrain / 4;  // a random element costs several plain ones

// Block numbers are 32 bits wide, four elements a block.
void check_count(const char* op, std::size_t n) {
  if (n > (std::size_t{1} << 34))
    throw py::value_error(std::string(op) + ": a draw has at most 2**34 elements, got " + std::to_string(n));
}

py::object random_bits(std::size_t n, std::uint64_t seed, std::uint32_t stream, Count draw) {
  check_count("random_bits", n);
  Empty<std::uint32_t> bits({static_cast<py::ssize_t>(n)});
  run([=, bits = bits.data, key = Key{seed, stream, draw}] {
    const DrawKey now = key.now();
    parallel_for(n, kRandomGrain,
                 [&](std::size_t begin, std::size_t end) { kernels().random_bits(bits, begin, end, now); });
  });
  return bits.take();
}

py::object random_normal(std::size_t n, double mean, double std, std::uint64_t seed, std::uint32_t stream,
                         Count draw) {
  check_count("random_normal", n);
  Empty<> y({static_cast<py::ssize_t>(n)});
  run([=, y = y.data, key = Key{seed, stream, draw}] {
    const DrawKey now = key.now();
    parallel_for(n, kRandomGrain, [&](std::size_t begin, std::size_t end) {
      kernels().random_normal(y, begin, end, now, mean, std);
    });
  });
  return y.take();
}

py::object bernoulli(Array p_array, std::uint64_t seed, std::uint32_t stream, Count draw) {
  const In p(p_array, "bernoulli", "p");
  check_count("bernoulli", p.size);
  auto y = Empty<>::like(p);
  run([=, y = y.data, key = Key{seed, stream, draw}] {
    const DrawKey now = key.now();
    parallel_for(p.size, kRandomGrain, [&](std::size_t begin, std::size_t end) {
      kernels().bernoulli(p.data, y, begin, end, now);
    });
  });
  return y.take();
}

py::object dropout(Array x_array, double rate, std::uint64_t seed, std::uint32_t stream, Count draw) {
  const In x(x_array, "dropout", "x");
  check_count("dropout", x.size);
  if (!(rate >= 0.0 && rate < 1.0))
    throw py::value_error("dropout: rate must be in [0, 1), got " + std::to_string(rate));
  auto y = Empty<>::like(x);
  run([=, y = y.data, key = Key{seed, stream, draw}] {
    const DrawKey now = key.now();
    const auto threshold = static_cast<std::uint32_t>(std::min(std::nearbyint(rate * 0x1p32), 0x1p32 - 1));
    const auto scale = static_cast<float>(1.0 / (1.0 - rate));
    parallel_for(x.size, kRandomGrain, [&](std::size_t begin, std::size_t end) {
      kernels().dropout(x.data, y, begin, end, now, threshold, scale);
    });
  });
  return y.take();
}

py::object rrelu(Array x_array, double lower, double upper, std::uint64_t seed, std::uint32_t stream,
                 Count draw) {
  const In x(x_array, "rrelu", "x");
  check_count("rrelu", x.size);
  auto y = Empty<>::like(x);
  run([=, y = y.data, key = Key{seed, stream, draw}] {
    const DrawKey now = key.now();
    parallel_for(x.size, kRandomGrain, [&](std::size_t begin, std::size_t end) {
      kernels().rrelu(x.data, y, begin, end, now, static_cast<float>(lower),
                      static_cast<float>(upper - lower));
    });
  });
  return y.take();
}

py::object rrelu_backward(Array dy_array, Array x_array, double lower, double upper, std::uint64_t seed,
                          std::uint32_t stream, Count draw) {
  const In dy(dy_array, "rrelu_backward", "dy"), x(x_array, "rrelu_backward", "x");
  same_shape("rrelu_backward", "dy", dy, "x", x);
  check_count("rrelu_backward", x.size);
  auto dx = Empty<>::like(x);
  run([=, dx = dx.data, key = Key{seed, stream, draw}] {
    const DrawKey now = key.now();
    parallel_for(x.size, kRandomGrain, [&](std::size_t begin, std::size_t end) {
      kernels().rrelu_backward(dy.data, x.data, dx, begin, end, now, static_cast<float>(lower),
                               static_cast<float>(upper - lower));
    });
  });
  return dx.take();
}

py::object next_draw(Array counter_array) {
  const Counter counter(counter_array, "next_draw", "counter");
  Empty<std::uint64_t> draw(Shape{});
  run([=, draw = draw.data] { *draw = __atomic_fetch_add(counter.data, 1, __ATOMIC_RELAXED); });
  return draw.take();
}

void count(const py::args& counters) {
  std::vector<std::uint64_t*> data;
  for (const auto& counter : counters)
    data.push_back(Counter(Array{counter.ptr()}, "count", "counters").data);
  run([=] {
    must_finish();
    for (std::uint64_t* counter : data) ++*counter;
  });
}

}  // namespace

void bind_random(py::module_& m) {
  const py::arg seed("seed"), stream("stream"), draw("draw"), lower("lower"), upper("upper");
  m.def("next_draw", next_draw, py::arg("counter"));
  m.def("count", count);
  m.def("random_bits", random_bits, py::arg("n"), seed, stream, draw);
  m.def("random_normal", random_normal, py::arg("n"), py::arg("mean"), py::arg("std"), seed, stream, draw);
  m.def("bernoulli", bernoulli, py::arg("p"), seed, stream, draw);
  m.def("dropout", dropout, py::arg("x"), py::arg("rate"), seed, stream, draw);
  m.def("rrelu", rrelu, py::arg("x"), lower, upper, seed, stream, draw);
  m.def("rrelu_backward", rrelu_backward, py::arg("dy"), py::arg("x"), lower, upper, seed, stream, draw);
}

}  // namespace minidnn
