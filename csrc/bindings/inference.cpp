// Compiled models: their products as kernels, and the engine that runs them step by step.
#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "dispatch.hpp"
#include "inference/engine.hpp"

namespace minidnn {
namespace {

template <class T>
struct ArrayOf : View<const T> {
  ArrayOf(Array a, const char* op, const char* name, const char* wanted)
      : View<const T>(a, op, name, wanted) {}
};

[[noreturn]] void refuse(const std::string& op, const std::string& what) {
  throw py::value_error(op + ": " + what);
}

std::string text(std::size_t n) { return std::to_string(n); }

template <class V>
void check_size(const char* op, const char* name, const V& v, std::size_t n) {
  if (v.ndim != 1 || v.size != n)
    refuse(op, std::string(name) + " has shape " + v.shape_text() + ", must be (" + text(n) + ",)");
}

In inputs(const char* op, Array array, std::size_t n_in) {
  const In x(array, op, "x");
  if (x.ndim != 2 || x.dim(1) != n_in)
    refuse(op, "x has shape " + x.shape_text() + ", must be (batch, " + text(n_in) + ")");
  return x;
}

// The quantization of bytes; the caller keeps the arrays alive.
Quantized quantized(const char* op, float inverse_scale, int zero, Array corrections_array,
                    Array scales_array, std::size_t n_in, std::size_t n_out) {
  if (!(inverse_scale > 0) || inverse_scale > 3e38f) refuse(op, "inverse_scale must be positive and finite");
  if (zero < 0 || zero > 255) refuse(op, "zero is " + std::to_string(zero) + ", must be in [0, 255]");
  if (n_in > 65536) refuse(op, text(n_in) + " inputs, at most 65536 are sure not to overflow");
  const ArrayOf<std::int32_t> corrections(corrections_array, op, "corrections", "an int32 array");
  const In scales(scales_array, op, "scales");
  check_size(op, "corrections", corrections, n_out), check_size(op, "scales", scales, n_out);
  return {inverse_scale, zero, corrections.data, scales.data};
}

template <class T>
ArrayOf<T> weights(const char* op, Array array, const char* wanted) {
  const ArrayOf<T> w(array, op, "w", wanted);
  if (w.ndim != 2) refuse(op, "w has shape " + w.shape_text() + ", must have 2 axes");
  if (std::max(w.dim(0), w.dim(1)) > std::size_t{1} << 40) throw std::bad_alloc();  // it may be empty
  return w;
}

Storage storage_of(Array values) {
  if (detail::is_array_of<std::uint16_t>(values)) return Storage::bfloat16;
  if (detail::is_array_of<std::int8_t>(values)) return Storage::int8;
  return Storage::float32;
}

ProductPointer packed(const char* op, Array w_array) {
  if (storage_of(w_array) == Storage::bfloat16) {
    const auto w = weights<std::uint16_t>(op, w_array, "");
    return bfloat16_product(kernels(), w.data, w.dim(0), w.dim(1));
  }
  const auto w = weights<float>(op, w_array, "a float32 or (as bfloat16) uint16 array");
  return dense_product(kernels(), w.data, w.dim(0), w.dim(1));
}

ProductPointer bytes(const char* op, Array w_array, float inverse_scale, int zero, Array corrections,
                     Array scales) {
  const auto w = weights<std::int8_t>(op, w_array, "an int8 array");
  const std::size_t n_in = w.dim(0), n_out = w.dim(1);
  return byte_product(kernels(), w.data, n_in, n_out,
                      quantized(op, inverse_scale, zero, corrections, scales, n_in, n_out));
}

// Sparse weights, with every index checked: later code does not check them again.
struct SparseArrays {
  Columns columns;
  Storage storage;
  std::size_t n_out;

  SparseArrays(const char* op, std::size_t n_in, Array starts_array, Array rows_array, Array values_array)
      : storage(storage_of(values_array)) {
    const ArrayOf<std::uint32_t> starts(starts_array, op, "starts", "a uint32 array");
    const ArrayOf<std::uint16_t> rows(rows_array, op, "rows", "a uint16 array");
    if (n_in > kMostSparseInputs) refuse(op, text(n_in) + " inputs, sparse weights take at most 65536");
    if (starts.ndim != 1 || starts.size == 0)
      refuse(op, "starts has shape " + starts.shape_text() + ", must be (n_out + 1,)");
    n_out = starts.size - 1;
    const std::size_t count = starts.data[n_out];
    check_size(op, "rows", rows, count);
    columns = {starts.data, rows.data, nullptr};
    if (storage == Storage::bfloat16)
      columns.values = values<std::uint16_t>(op, values_array, count);
    else if (storage == Storage::int8)
      columns.values = values<std::int8_t>(op, values_array, count);
    else
      columns.values = values<float>(op, values_array, count);
    if (starts.data[0] != 0) refuse(op, "starts must begin with 0");
    for (std::size_t j = 0; j < n_out; ++j) {
      if (starts.data[j] > starts.data[j + 1] || starts.data[j + 1] > count)
        refuse(op, "starts must not fall");
      for (std::size_t i = starts.data[j]; i < starts.data[j + 1]; ++i)
        if (rows.data[i] >= n_in || (i > starts.data[j] && rows.data[i] <= rows.data[i - 1]))
          refuse(op, "rows of column " + text(j) + " must ascend and be below " + text(n_in));
    }
  }

 private:
  template <class T>
  static const void* values(const char* op, Array array, std::size_t count) {
    const ArrayOf<T> v(array, op, "values", "a float32, (as bfloat16) uint16 or int8 array");
    check_size(op, "values", v, count);
    return v.data;
  }
};

ProductPointer sparse(const char* op, std::size_t n_in, Array starts, Array rows, Array values) {
  const SparseArrays w(op, n_in, starts, rows, values);
  if (w.storage == Storage::int8) refuse(op, "values are int8, which need scales");
  return sparse_product(kernels(), w.storage, w.columns, n_in, w.n_out, nullptr);
}

ProductPointer sparse_bytes(const char* op, std::size_t n_in, Array starts, Array rows, Array values,
                            float inverse_scale, int zero, Array corrections, Array scales) {
  const SparseArrays w(op, n_in, starts, rows, values);
  if (w.storage != Storage::int8) detail::refuse_type(op, "values", values, "an int8 array");
  const Quantized q = quantized(op, inverse_scale, zero, corrections, scales, n_in, w.n_out);
  return sparse_product(kernels(), w.storage, w.columns, n_in, w.n_out, &q);
}

// A product alone, as an engine of one step.
py::object multiply(const In& x, ProductPointer product) {
  const std::size_t n_out = product->n_out;
  auto engine = std::make_shared<Engine>(kernels(), std::vector<std::size_t>{product->n_in, n_out});
  engine->add({0, 1, std::move(product), {}, 0, Act::identity, 0.0f, nullptr});
  Empty<> y({static_cast<py::ssize_t>(x.dim(0)), static_cast<py::ssize_t>(n_out)});
  run([=, y = y.data] { engine->run(x.data, y, x.dim(0)); });
  return y.take();
}

py::object packed_matmul(Array x_array, Array w) {
  const char* op = "packed_matmul";
  auto product = packed(op, w);
  const In x = inputs(op, x_array, product->n_in);
  return multiply(x, std::move(product));
}

py::object byte_matmul(Array x_array, Array w, float inverse_scale, int zero, Array corrections,
                       Array scales) {
  const char* op = "byte_matmul";
  auto product = bytes(op, w, inverse_scale, zero, corrections, scales);
  const In x = inputs(op, x_array, product->n_in);
  return multiply(x, std::move(product));
}

py::object sparse_matmul(Array x_array, Array starts, Array rows, Array values) {
  const char* op = "sparse_matmul";
  const In x = matrix_in(x_array, op, "x");
  return multiply(x, sparse(op, x.dim(1), starts, rows, values));
}

py::object sparse_byte_matmul(Array x_array, Array starts, Array rows, Array values, float inverse_scale,
                              int zero, Array corrections, Array scales) {
  const char* op = "sparse_byte_matmul";
  const In x = matrix_in(x_array, op, "x");
  return multiply(x,
                  sparse_bytes(op, x.dim(1), starts, rows, values, inverse_scale, zero, corrections, scales));
}

// Builds an engine from Python; each method adds a step from one slot to another.
class Builder : public Engine {
 public:
  explicit Builder(std::vector<std::size_t> slots) : Engine(kernels(), std::move(slots)) {
    if (widths().empty()) refuse("Engine", "widths is empty");
  }

  std::size_t width(std::size_t slot) const {
    if (slot >= widths().size()) refuse("Engine", "there is no slot " + text(slot));
    return widths()[slot];
  }

  void product(std::size_t from, std::size_t to, ProductPointer product, Array bias_array,
               const char* activation, float alpha) {
    const In bias(bias_array, "Engine", "bias");
    check_size("Engine", "bias", bias, product->n_out);
    check(from, product->n_in, "its inputs"), check_written(to, product->n_out), check_apart(from, to);
    Step step{from, to, std::move(product), {}, 0, activation_named("Engine", activation), alpha, nullptr};
    step.bias = memory<float>(bias.size);
    std::memcpy(step.bias.get(), bias.data, bias.size * sizeof(float));
    add(std::move(step));
  }

  template <class F>
  void rows(std::size_t from, std::size_t other, std::size_t to, std::size_t n_out, F f) {
    width(from), width(other), check_written(to, n_out);
    add({from, to, nullptr, std::move(f), other, Act::identity, 0.0f, nullptr});
  }

  void check(std::size_t slot, std::size_t wanted, const std::string& what) const {
    if (width(slot) != wanted)
      refuse("Engine", "slot " + text(slot) + " holds " + text(width(slot)) + " values, " + what + " are " +
                           text(wanted));
  }
  void check_apart(std::size_t from, std::size_t to) const {
    if (from == to) refuse("Engine", "slot " + text(to) + " is read and written by a step that cannot do so");
  }

 private:
  void check_written(std::size_t slot, std::size_t wanted) const {
    check(slot, wanted, "its outputs");
    if (slot == 0) refuse("Engine", "slot 0 is the input, which is not written");
  }
};

std::vector<float> copied(const char* name, Array array, std::size_t n) {
  const In v(array, "Engine", name);
  check_size("Engine", name, v, n);
  return {v.data, v.data + v.size};
}

void add_activation(Builder& e, std::size_t from, std::size_t to, const char* activation, float alpha) {
  const std::size_t n = e.width(from);
  const auto f = e.table().activation[static_cast<int>(activation_named("Engine", activation))].forward;
  e.rows(from, from, to, n, [=](const float* x, const float*, float* y) { f(x, y, n, alpha); });
}

void add_prelu(Builder& e, std::size_t from, std::size_t to, Array slopes_array) {
  const std::size_t n = e.width(from);
  e.rows(from, from, to, n,
         [n, f = e.table().prelu, slopes = copied("slopes", slopes_array, n)](
             const float* x, const float*, float* y) { f(x, slopes.data(), y, 1, n); });
}

void add_softmax(Builder& e, std::size_t from, std::size_t to) {
  const std::size_t n = e.width(from);
  e.rows(from, from, to, n,
         [n, f = e.table().softmax](const float* x, const float*, float* y) { f(x, y, 1, n); });
}

// y = x * scale + shift, as batch normalization with mean 0 and variance 1.
void add_affine(Builder& e, std::size_t from, std::size_t to, Array scale_array, Array shift_array) {
  const std::size_t n = e.width(from);
  e.rows(from, from, to, n,
         [n, f = e.table().batch_norm, scale = copied("scale", scale_array, n),
          shift = copied("shift", shift_array, n), zeros = std::vector<float>(n, 0.0f),
          ones = std::vector<float>(n, 1.0f)](const float* x, const float*, float* y) {
           f(x, scale.data(), shift.data(), zeros.data(), ones.data(), 0.0f, y, 1, n, n);
         });
}

void add_layer_norm(Builder& e, std::size_t from, std::size_t to, Array gamma_array, Array beta_array,
                    float eps) {
  const std::size_t n = e.width(from);
  e.rows(from, from, to, n,
         [n, eps, f = e.table().layer_norm, gamma = copied("gamma", gamma_array, n),
          beta = copied("beta", beta_array, n)](const float* x, const float*, float* y) {
           float mean, var;
           f(x, gamma.data(), beta.data(), eps, y, &mean, &var, 1, n);
         });
}

void add_sum(Builder& e, std::size_t from, std::size_t other, std::size_t to) {
  const std::size_t n = e.width(from);
  e.check(other, n, "the values to add to");
  e.rows(from, other, to, n,
         [n, f = e.table().add](const float* a, const float* b, float* y) { f(a, b, y, n); });
}

void add_concat(Builder& e, std::size_t from, std::size_t other, std::size_t to) {
  const std::size_t n = e.width(from), m = e.width(other);
  e.check_apart(from, to), e.check_apart(other, to);
  e.rows(from, other, to, n + m, [n, m](const float* a, const float* b, float* y) {
    std::copy_n(a, n, y);
    std::copy_n(b, m, y + n);
  });
}

py::object run_engine(const Builder& e, Array x_array, const py::object& out) {
  const char* op = "predict";
  const In x = inputs(op, x_array, e.n_in());
  if (out.is_none()) {
    Empty<> y({static_cast<py::ssize_t>(x.dim(0)), static_cast<py::ssize_t>(e.n_out())});
    const Unlocked unlocked;
    e.run(x.data, y.data, x.dim(0));
    return y.take();
  }
  const InOut y(Array{out.ptr()}, op, "out");
  if (y.ndim != 2 || y.dim(0) != x.dim(0) || y.dim(1) != e.n_out())
    refuse(op,
           "out has shape " + y.shape_text() + ", must be (" + text(x.dim(0)) + ", " + text(e.n_out()) + ")");
  if (x.data < y.data + y.size && y.data < x.data + x.size) refuse(op, "x and out overlap in memory");
  {
    const Unlocked unlocked;
    e.run(x.data, y.data, x.dim(0));
  }
  return out;
}

}  // namespace

void bind_inference(py::module_& m) {
  const py::arg x("x"), w("w"), starts("starts"), rows("rows"), values("values"),
      inverse_scale("inverse_scale"), zero("zero"), corrections("corrections"), scales("scales");
  m.def("packed_matmul", packed_matmul, x, w);
  m.def("byte_matmul", byte_matmul, x, w, inverse_scale, zero, corrections, scales);
  m.def("sparse_matmul", sparse_matmul, x, starts, rows, values);
  m.def("sparse_byte_matmul", sparse_byte_matmul, x, starts, rows, values, inverse_scale, zero, corrections,
        scales);

  const py::arg from("from_slot"), other("other_slot"), to("to_slot"), bias("bias"), activation("activation"),
      alpha("alpha");
  py::class_<Builder>(m, "Engine")
      .def(py::init<std::vector<std::size_t>>(), py::arg("widths"))
      .def(
          "dense",
          [](Builder& e, std::size_t i, std::size_t j, Array weight, Array b, const char* act, float a) {
            e.product(i, j, packed("Engine", weight), b, act, a);
          },
          from, to, w, bias, activation, alpha)
      .def(
          "byte_dense",
          [](Builder& e, std::size_t i, std::size_t j, Array weight, float inverse, int z, Array correction,
             Array scale, Array b, const char* act,
             float a) { e.product(i, j, bytes("Engine", weight, inverse, z, correction, scale), b, act, a); },
          from, to, w, inverse_scale, zero, corrections, scales, bias, activation, alpha)
      .def(
          "sparse",
          [](Builder& e, std::size_t i, std::size_t j, Array s, Array r, Array v, Array b, const char* act,
             float a) { e.product(i, j, sparse("Engine", e.width(i), s, r, v), b, act, a); },
          from, to, starts, rows, values, bias, activation, alpha)
      .def(
          "byte_sparse",
          [](Builder& e, std::size_t i, std::size_t j, Array s, Array r, Array v, float inverse, int z,
             Array correction, Array scale, Array b, const char* act, float a) {
            e.product(i, j, sparse_bytes("Engine", e.width(i), s, r, v, inverse, z, correction, scale), b,
                      act, a);
          },
          from, to, starts, rows, values, inverse_scale, zero, corrections, scales, bias, activation, alpha)
      .def("activation", add_activation, from, to, activation, alpha)
      .def("prelu", add_prelu, from, to, py::arg("slopes"))
      .def("softmax", add_softmax, from, to)
      .def("affine", add_affine, from, to, py::arg("scale"), py::arg("shift"))
      .def("layer_norm", add_layer_norm, from, to, py::arg("gamma"), py::arg("beta"), py::arg("eps"))
      .def("add", add_sum, from, other, to)
      .def("concat", add_concat, from, other, to)
      .def("run", run_engine, x, py::arg("out"))
      .def_property_readonly("nbytes", &Builder::bytes)
      .def_property_readonly("allocations", &Builder::allocations);
}

}  // namespace minidnn
