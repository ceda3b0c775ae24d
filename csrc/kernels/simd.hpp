// Everything that depends on the vector register: its width, fused multiply-add, and partial loads.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/map.hpp"

#if defined(__has_builtin)
#define MINIDNN_HAS_BUILTIN(name) __has_builtin(name)
#else
#define MINIDNN_HAS_BUILTIN(name) 0
#endif

namespace minidnn::MINIDNN_ISA {

#if defined(__AVX512F__)
constexpr int kVectorLanes = 16, kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kVectorLanes = 8, kRegisters = 16;
#elif defined(__aarch64__)
constexpr int kVectorLanes = 4, kRegisters = 32;
#else
constexpr int kVectorLanes = 4, kRegisters = 16;
#endif

typedef float Vector __attribute__((vector_size(kVectorLanes * 4)));
typedef float UnalignedVector __attribute__((vector_size(kVectorLanes * 4), aligned(4), may_alias));

MINIDNN_INLINE Vector load(const float* p) { return *reinterpret_cast<const UnalignedVector*>(p); }
MINIDNN_INLINE void store(float* p, Vector v) { *reinterpret_cast<UnalignedVector*>(p) = v; }
MINIDNN_INLINE Vector broadcast(float x) { return x - Vector{}; }

// a * b + c, rounded once where the machine can. Builtins, not <immintrin.h>: rule 2.
MINIDNN_INLINE Vector fused_multiply_add(Vector a, Vector b, Vector c) {
#if !defined(__FMA__) && !defined(__aarch64__)
  return a * b + c;
#elif MINIDNN_HAS_BUILTIN(__builtin_elementwise_fma)  // newer clang
  return __builtin_elementwise_fma(a, b, c);
#elif defined(__AVX512F__)
  return __builtin_ia32_vfmaddps512_mask(a, b, c, -1, 4);
#elif defined(__x86_64__)
  return __builtin_ia32_vfmaddps256(a, b, c);
#else
  for (int i = 0; i < kVectorLanes; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
#endif
}

// The same for one number: what one lane does.
MINIDNN_INLINE float fused_multiply_add(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

// Lanes of 64 bits.
typedef std::uint64_t Wide __attribute__((vector_size(kVectorLanes * 4)));

// The whole products of the lower halves of lanes: one instruction on x86, which GCC does not find by itself.
MINIDNN_INLINE Wide multiply_lower(Wide a, Wide b) {
#if defined(__x86_64__) && !defined(__clang__)
  typedef std::int32_t Halves __attribute__((vector_size(kVectorLanes * 4)));
  const auto x = reinterpret_cast<Halves>(a), y = reinterpret_cast<Halves>(b);
#if defined(__AVX512F__)
  typedef long long Products __attribute__((vector_size(64)));
  return reinterpret_cast<Wide>(__builtin_ia32_pmuludq512_mask(x, y, Products{}, -1));
#elif defined(__AVX2__)
  return reinterpret_cast<Wide>(__builtin_ia32_pmuludq256(x, y));
#else
  return reinterpret_cast<Wide>(__builtin_ia32_pmuludq128(x, y));
#endif
#else
  return (a & 0xFFFFFFFF) * (b & 0xFFFFFFFF);
#endif
}

MINIDNN_INLINE void store_lower(std::uint32_t* p, Wide v) {
  typedef std::uint32_t Narrow __attribute__((vector_size(kVectorLanes * 2)));
  const Narrow lower = __builtin_convertvector(v, Narrow);
  __builtin_memcpy(p, &lower, sizeof lower);
}

// The first `count` lanes of a partly filled vector. With AVX2 and AVX-512 the memory behind them is not
// touched and reads as 0; elsewhere the whole vector is read, so the caller must have made it readable.
#if defined(__AVX2__)
constexpr bool kMaskedLoads = true;
#else
constexpr bool kMaskedLoads = false;
#endif

MINIDNN_INLINE Vector load_first(const float* p, [[maybe_unused]] int count) {
#if defined(__AVX512F__)
  return __builtin_ia32_loadups512_mask(p, Vector{}, static_cast<std::uint16_t>((1u << count) - 1));
#elif defined(__AVX2__)
  typedef std::int32_t Lanes __attribute__((vector_size(32)));
  const Lanes wanted = Lanes{0, 1, 2, 3, 4, 5, 6, 7} < count - Lanes{};
  return __builtin_ia32_maskloadps256(reinterpret_cast<const Vector*>(p), wanted);
#else
  return load(p);
#endif
}

MINIDNN_INLINE void store_first(float* p, Vector v, int count) {
#if defined(__AVX512F__)
  __builtin_ia32_storeups512_mask(p, v, static_cast<std::uint16_t>((1u << count) - 1));
#else
  if (count == kVectorLanes) return store(p, v);
  const float* from = reinterpret_cast<const float*>(&v);
  if (kVectorLanes > 4 && count & 4) {
    __builtin_memcpy(p, from, 16);
    p += 4, from += 4;
  }
  if (count & 2) {
    __builtin_memcpy(p, from, 8);
    p += 2, from += 2;
  }
  if (count & 1) *p = *from;
#endif
}

}  // namespace minidnn::MINIDNN_ISA
