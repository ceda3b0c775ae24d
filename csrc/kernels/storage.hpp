// How stored weights become numbers in registers: float32 as they are, bfloat16 widened (exactly: they are
// the upper halves of floats), int8 as int32. Sums of the first two are float32, of int8 int32, so these are
// exact.
#pragma once
#include "kernels/simd.hpp"

namespace minidnn::MINIDNN_ISA {

template <class T, int N>
struct __attribute__((packed, may_alias)) Packed {
  T lanes[N];
};
typedef std::int32_t Integers __attribute__((vector_size(kVectorLanes * 4)));
typedef std::uint32_t Words __attribute__((vector_size(kVectorLanes * 4)));

// By name, since compilers take such conversions apart.
#if defined(__AVX2__)
#define MINIDNN_WIDEN(type, instruction)                                                                    \
  MINIDNN_INLINE Integers widened(const type* p) {                                                          \
    Integers wide;                                                                                          \
    asm(instruction " %1, %0" : "=v"(wide) : "m"(*reinterpret_cast<const Packed<type, kVectorLanes>*>(p))); \
    return wide;                                                                                            \
  }
MINIDNN_WIDEN(std::uint8_t, "vpmovzxbd")
MINIDNN_WIDEN(std::int8_t, "vpmovsxbd")
MINIDNN_WIDEN(std::uint16_t, "vpmovzxwd")
#undef MINIDNN_WIDEN
#else
template <class T>
MINIDNN_INLINE Integers widened(const T* p) {
  Integers wide;
  for (int l = 0; l < kVectorLanes; ++l) wide[l] = p[l];
  return wide;
}
#endif

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
  static Sums load_weights(const Value* p) { return __builtin_bit_cast(Vector, widened(p) << 16); }
  static Sum one(const Value* p) { return __builtin_bit_cast(float, static_cast<std::uint32_t>(*p) << 16); }
  static Sums all(const Value* p) { return broadcast(one(p)); }
};

struct Int8 {
  using Value = std::int8_t;
  using Sum = std::int32_t;
  using Sums = Integers;
  static Sums load_weights(const Value* p) { return widened(p); }
  static Sums all(const Value* p) { return Integers{} + static_cast<std::int32_t>(*p); }
  static Sum one(const Value* p) { return *p; }
  static Sums multiply_add(Sums a, Sums b, Sums c) { return a * b + c; }
  static Sum multiply_add(Sum a, Sum b, Sum c) { return a * b + c; }
};

template <class S>
MINIDNN_INLINE typename S::Sums load_sums(const typename S::Sum* p) {
  typename S::Sums v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class S>
MINIDNN_INLINE void store_sums(typename S::Sum* p, typename S::Sums v) {
  __builtin_memcpy(p, &v, sizeof v);
}

}  // namespace minidnn::MINIDNN_ISA
