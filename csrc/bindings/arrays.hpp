// NumPy arrays as arguments: the only place where pointers are made, and so the place for every check.
//
// A binding takes `Array` arguments, which cost a few nanoseconds each, and makes In, InOut or Labels of
// them, naming the op and the argument for the error. Results are made by `empty`.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bindings/lock.hpp"
#include "gemm.hpp"
#include "program/recorder.hpp"
#include "runtime/parallel.hpp"

namespace py = pybind11;

namespace minidnn {

// Any Python object, borrowed; making an In of it checks its type.
struct Array {
  PyObject* object;
};

using Shape = std::vector<py::ssize_t>;

namespace detail {

inline py::detail::PyArray_Proxy* proxy(Array a) { return py::detail::array_proxy(a.object); }

inline std::string text(const py::ssize_t* dims, int ndim) {
  std::string out = "(";
  for (int i = 0; i < ndim; ++i) out += (i ? ", " : "") + std::to_string(dims[i]);
  return out + (ndim == 1 ? ",)" : ")");
}

template <class T>
constexpr int kTypeNumber = py::detail::npy_format_descriptor<T>::value;

[[noreturn]] inline void refuse_type(const char* op, const char* name, Array a, const std::string& wanted) {
  auto& numpy = py::detail::npy_api::get();
  const auto object = py::reinterpret_borrow<py::object>(a.object);
  const std::string got = numpy.PyArray_Check_(a.object)
                              ? "an array of " + py::str(object.attr("dtype")).cast<std::string>()
                              : std::string(Py_TYPE(a.object)->tp_name);
  throw py::type_error(std::string(op) + ": " + name + " must be " + wanted + ", got " + got);
}

// An array of T in native byte order, whatever its strides.
template <class T>
bool is_array_of(Array a) {
  if (!py::detail::npy_api::get().PyArray_Check_(a.object)) return false;
  const auto* type = py::detail::array_descriptor_proxy(proxy(a)->descr);
  return type->type_num == kTypeNumber<T> && (type->byteorder == '=' || type->byteorder == '|') &&
         (proxy(a)->flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_);
}

}  // namespace detail

inline std::string shape_text(const Shape& shape) {
  return detail::text(shape.data(), static_cast<int>(shape.size()));
}

// A contiguous array of T.
template <class T>
class View {
 public:
  T* data;
  std::size_t size = 1;
  int ndim;
  const py::ssize_t* dims;

  std::size_t dim(int i) const { return static_cast<std::size_t>(dims[i < 0 ? ndim + i : i]); }
  // As a matrix: every axis but the last, and the last. Empty rows count as none, since an empty array may
  // have 2**60 of them.
  std::size_t columns() const { return ndim == 0 ? 1 : dim(-1); }
  std::size_t rows() const {
    std::size_t product = columns() > 0;
    for (int i = 0; i + 1 < ndim; ++i) product *= dim(i);
    return product;
  }
  Shape shape() const { return Shape(dims, dims + ndim); }
  std::string shape_text() const { return detail::text(dims, ndim); }

 protected:
  View(Array a, const char* op, const char* name, const char* wanted) {
    if (!detail::is_array_of<std::remove_const_t<T>>(a)) detail::refuse_type(op, name, a, wanted);
    const auto* array = detail::proxy(a);
    ndim = array->nd, dims = array->dimensions, data = reinterpret_cast<T*>(array->data);
    for (int i = 0; i < ndim; ++i) size *= static_cast<std::size_t>(dims[i]);
    if (!(array->flags & py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_))
      throw py::value_error(std::string(op) + ": " + name + " must be C-contiguous, got strides " +
                            detail::text(array->strides, ndim) + " for shape " + shape_text());
    if (program::recorder) dims = program::recorder->keep(dims, ndim);
  }
};

struct In : View<const float> {
  In(Array a, const char* op, const char* name) : View(a, op, name, "a float32 array") {}
};

// An array of a single number.
inline In scalar_in(Array a, const char* op, const char* name) {
  const In x(a, op, name);
  if (x.size != 1)
    throw py::value_error(std::string(op) + ": " + name + " has shape " + x.shape_text() +
                          ", must have one element");
  return x;
}

// A number in memory, in double.
struct Scalar : View<const double> {
  Scalar(Array a, const char* op, const char* name) : View(a, op, name, "a float64 array without axes") {
    if (ndim != 0)
      throw py::value_error(std::string(op) + ": " + name + " has shape " + shape_text() +
                            ", must have no axes");
  }
};

struct InOut : View<float> {
  InOut(Array a, const char* op, const char* name) : View(a, op, name, "a float32 array") {
    if (!(detail::proxy(a)->flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_))
      throw py::value_error(std::string(op) + ": " + name + " is read-only, it must be writeable");
  }
};

// A count in memory.
struct Counter : View<std::uint64_t> {
  Counter(Array a, const char* op, const char* name) : View(a, op, name, "a uint64 array without axes") {
    if (ndim != 0 || !(detail::proxy(a)->flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_))
      throw py::value_error(std::string(op) + ": " + name + " must be writeable, without axes");
  }
};

struct Integers : View<const std::int64_t> {
  Integers(Array a, const char* op, const char* name) : View(a, op, name, "an int64 array") {}
};

// Class labels, each in [0, classes).
struct Labels : Integers {
  Labels(Array a, const char* op, const char* name, std::size_t count, std::size_t classes)
      : Integers(a, op, name) {
    if (ndim != 1 || size != count)
      throw py::value_error(std::string(op) + ": " + name + " has shape " + shape_text() + ", must be (" +
                            std::to_string(count) + ",)");
    check(op, name, classes);
  }
  void check(const char* op, const char* name, std::size_t classes) const {
    for (std::size_t i = 0; i < size; ++i)
      if (data[i] < 0 || static_cast<std::uint64_t>(data[i]) >= classes)
        throw py::value_error(std::string(op) + ": " + name + "[" + std::to_string(i) + "] is " +
                              std::to_string(data[i]) + ", must be in [0, " + std::to_string(classes) + ")");
  }
};

// A setting of a kernel: a number, or memory that is read when the kernel runs, an array without axes. A
// count may stand for a real number.
template <class T>
struct Number {
  T value{};
  const T* memory = nullptr;
  const std::uint64_t* count = nullptr;
  T now() const { return memory ? *memory : count ? static_cast<T>(*count) : value; }
};

using Real = Number<double>;
using Count = Number<std::uint64_t>;

// A matrix with any strides: only the product reads such views.
inline Matrix matrix(Array a, const char* op, const char* name) {
  if (!detail::is_array_of<float>(a)) detail::refuse_type(op, name, a, "a float32 array");
  const auto* array = detail::proxy(a);
  constexpr py::ssize_t unit = sizeof(float);
  if (array->nd != 2)
    throw py::value_error(std::string(op) + ": " + name + " has shape " +
                          detail::text(array->dimensions, array->nd) + ", must have 2 axes");
  if (array->strides[0] % unit || array->strides[1] % unit)
    throw py::value_error(std::string(op) + ": " + name + " has strides " + detail::text(array->strides, 2) +
                          ", must be multiples of 4 bytes");
  return {reinterpret_cast<const float*>(array->data), static_cast<std::size_t>(array->dimensions[0]),
          static_cast<std::size_t>(array->dimensions[1]), array->strides[0] / unit, array->strides[1] / unit};
}

template <class A, class B>
void same_shape(const char* op, const char* name1, const A& a, const char* name2, const B& b) {
  if (a.ndim == b.ndim && std::equal(a.dims, a.dims + a.ndim, b.dims)) return;
  throw py::value_error(std::string(op) + ": " + name1 + " has shape " + a.shape_text() + ", " + name2 +
                        " has " + b.shape_text() + ": they must be the same");
}

struct Named {
  const char* name;
  const float* data;
  std::size_t size;
};

// Arrays that are written must not share memory with any other argument.
inline void disjoint(const char* op, const std::vector<Named>& arrays) {
  for (auto a = arrays.begin(); a != arrays.end(); ++a)
    for (auto b = a + 1; b != arrays.end(); ++b)
      if (a->data < b->data + b->size && b->data < a->data + a->size)
        throw py::value_error(std::string(op) + ": " + a->name + " and " + b->name + " overlap in memory");
}

// A new array in our own memory: that of a program, or (pool null) of the array alone.
class Fresh {
 public:
  Fresh(int type, std::size_t bytes, int ndim, const py::ssize_t* dims, int place,
        const std::shared_ptr<Pool>& pool = nullptr) {
    auto& numpy = py::detail::npy_api::get();
    const auto [data, keeper] = pool ? from_pool(pool, bytes, place) : of_its_own(bytes, place);
    auto owner = py::reinterpret_steal<py::object>(keeper);
    if (!owner) throw py::error_already_set();
    object_ = py::reinterpret_steal<py::object>(
        numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, numpy.PyArray_DescrFromType_(type), ndim, dims,
                                    nullptr, data, py::detail::npy_api::NPY_ARRAY_WRITEABLE_, nullptr));
    if (!object_ || numpy.PyArray_SetBaseObject_(object_.ptr(), owner.release().ptr()) != 0)
      throw py::error_already_set();
  }
  py::object take() { return std::move(object_); }

 private:
  using Made = std::pair<char*, PyObject*>;  // the memory, and what frees it

  static Made of_its_own(std::size_t bytes, int place) {
    auto block = std::make_unique<AlignedMemory>(bytes, place);
    char* data = block->data();
    PyObject* keeper = PyCapsule_New(block.get(), nullptr, [](PyObject* capsule) {
      delete static_cast<AlignedMemory*>(PyCapsule_GetPointer(capsule, nullptr));
    });
    if (keeper) block.release();
    return {data, keeper};
  }

  struct Loan {
    std::shared_ptr<Pool> pool;
    char* data;
  };
  static Made from_pool(const std::shared_ptr<Pool>& pool, std::size_t bytes, int place) {
    auto loan = std::make_unique<Loan>(Loan{pool, pool->take(bytes, place)});
    char* data = loan->data;
    PyObject* keeper = PyCapsule_New(loan.get(), nullptr, [](PyObject* capsule) {
      const std::unique_ptr<Loan> ended(static_cast<Loan*>(PyCapsule_GetPointer(capsule, nullptr)));
      ended->pool->give_back(ended->data);
    });
    if (keeper) loan.release();
    return {data, keeper};
  }

  py::object object_;
};

// A new C-contiguous array of T; MemoryError where there is no room.
template <class T = float>
class Empty {
 public:
  explicit Empty(int ndim, const py::ssize_t* dims) {
    std::size_t bytes = sizeof(T);
    for (int i = 0; i < ndim; ++i)
      if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(dims[i]), &bytes)) throw std::bad_alloc();
    if (program::recorder || bytes >= kSmall) {
      // Offsets within a page differ from those of parameters (place 0) and slots (1, 2, ...).
      static int turn = 0;
      object_ = Fresh(detail::kTypeNumber<T>, bytes, ndim, dims, turn++ & 3,
                      program::recorder ? program::recorder->pool : nullptr)
                    .take();
    } else {
      auto& numpy = py::detail::npy_api::get();
      object_ = py::reinterpret_steal<py::object>(numpy.PyArray_NewFromDescr_(
          numpy.PyArray_Type_, numpy.PyArray_DescrFromType_(detail::kTypeNumber<T>), ndim, dims, nullptr,
          nullptr, 0, nullptr));
      if (!object_) throw py::error_already_set();
    }
    data = reinterpret_cast<T*>(py::detail::array_proxy(object_.ptr())->data);
  }
  Empty(Empty&&) = default;  // no copies: work that is run again must not hold Python objects
  explicit Empty(const Shape& shape) : Empty(static_cast<int>(shape.size()), shape.data()) {}
  template <class V>
  static Empty like(const V& v) {
    return Empty(v.ndim, v.dims);
  }
  py::object take() { return std::move(object_); }

  T* data;

 private:
  static constexpr std::size_t kSmall = 4096;  // below, NumPy's own memory is quicker to get
  py::object object_;
};

// Does the work of a kernel call now, and again in every replay of the program being recorded, if one is. The
// work touches no Python object and holds pointers by value.
template <class F>
void run(const F& work) {
  {
    const Unlocked unlocked;
    work();
  }
  if (program::recorder) program::recorder->program.add(work);
}

inline program::Span reads(const In& x) { return {x.data, x.size, false}; }
inline program::Span writes(const float* data, std::size_t size) { return {data, size, true}; }

// The same for an elementwise call.
inline void run_elementwise(program::Elementwise call) {
  {
    const Unlocked unlocked;
    if (call.to_the_end) must_finish();
    if (call.prepare) call.prepare();
    parallel_for(call.size, kGrain, call.part);
  }
  if (program::recorder) program::recorder->program.add(std::move(call));
}

inline In matrix_in(Array a, const char* op, const char* name) {
  const In x(a, op, name);
  if (x.ndim != 2)
    throw py::value_error(std::string(op) + ": " + name + " has shape " + x.shape_text() +
                          ", must have 2 axes");
  return x;
}

}  // namespace minidnn

namespace pybind11::detail {

template <>
struct type_caster<minidnn::Array> {
  PYBIND11_TYPE_CASTER(minidnn::Array, const_name("numpy.ndarray"));
  bool load(handle source, bool) {
    value.object = source.ptr();
    return true;
  }
};

template <class T>
struct type_caster<minidnn::Number<T>> {
  PYBIND11_TYPE_CASTER(minidnn::Number<T>, const_name("float"));
  bool load(handle source, bool) {
    const minidnn::Array array{source.ptr()};
    if (npy_api::get().PyArray_Check_(source.ptr())) {
      const auto* proxy = minidnn::detail::proxy(array);
      if (proxy->nd != 0) return false;
      if (minidnn::detail::is_array_of<T>(array))
        value.memory = reinterpret_cast<const T*>(proxy->data);
      else if (minidnn::detail::is_array_of<std::uint64_t>(array))
        value.count = reinterpret_cast<const std::uint64_t*>(proxy->data);
      return value.memory || value.count;
    }
    make_caster<T> number;
    if (!number.load(source, true)) return false;
    value.value = static_cast<T>(number);
    return true;
  }
};

}  // namespace pybind11::detail
