// How stored weights become numbers in registers: float32 as they are, bfloat16 widened (exactly: they are
// the upper halves of floats), int8 as int32. Sums of the first two are float32, of int8 int32, so these are
// exact.
#pragma once
#include "kernels/simd.hpp"

namespace minidnn::MINIDNN_ISA {

template <class T, int N>
struct Packed {
  typedef T type __attribute__((vector_size(N * sizeof(T)), aligned(1), may_alias));
};
typedef std::int32_t Integers __attribute__((vector_size(kVectorLanes * 4)));
typedef std::uint32_t Words __attribute__((vector_size(kVectorLanes * 4)));

template <class To, class T>
MINIDNN_INLINE To widened(const T* p) {
  return __builtin_convertvector(*reinterpret_cast<const typename Packed<T, kVectorLanes>::type*>(p), To);
}

struct Float32 {
  using Value = float;
  using Sum = float;
  using Sums = Vector;
  static Sums load_weights(const Value* p) { return load(p); }
  static Sums all(const Value* p) { return broadcast(*p); }
  static Sum one(const Value* p) { return *p; }
  static Sums multiply_add(Sums a, Sums b, Sums c) { return fused_multiply_add(a, b, c); }
  static Sum multiply_add(Sum a, Sum b, Sum c) { return fused_multiply_add(a, b, c); }
};

struct Bfloat16 : Float32 {
  using Value = std::uint16_t;
  static Sums load_weights(const Value* p) { return __builtin_bit_cast(Vector, widened<Words>(p) << 16); }
  static Sum one(const Value* p) { return __builtin_bit_cast(float, static_cast<std::uint32_t>(*p) << 16); }
  static Sums all(const Value* p) { return broadcast(one(p)); }
};

struct Int8 {
  using Value = std::int8_t;
  using Sum = std::int32_t;
  using Sums = Integers;
  static Sums load_weights(const Value* p) { return widened<Integers>(p); }
  static Sums all(const Value* p) { return Integers{} + static_cast<std::int32_t>(*p); }
  static Sum one(const Value* p) { return *p; }
  static Sums multiply_add(Sums a, Sums b, Sums c) { return a * b + c; }
  static Sum multiply_add(Sum a, Sum b, Sum c) { return a * b + c; }
};

template <class S>
MINIDNN_INLINE typename S::Sums load_sums(const typename S::Sum* p) {
  return *reinterpret_cast<const typename Packed<typename S::Sum, kVectorLanes>::type*>(p);
}
template <class S>
MINIDNN_INLINE void store_sums(typename S::Sum* p, typename S::Sums v) {
  *reinterpret_cast<typename Packed<typename S::Sum, kVectorLanes>::type*>(p) = v;
}

}  // namespace minidnn::MINIDNN_ISA
