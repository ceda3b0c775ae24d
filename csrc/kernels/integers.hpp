// Products of bytes: inputs from 0 to 255 with weights from -127 to 127, summed exactly in int32.
#pragma once
#include "kernels/exp.hpp"
#include "kernels/panels.hpp"

namespace minidnn::MINIDNN_ISA {

// Weights are packed as panels of kPanelWidth columns; the bytes of four rows of a column are adjacent, so
// that one 32-bit lane holds four products.
typedef std::int16_t Shorts __attribute__((vector_size(kVectorLanes * 4)));

// The sums of the products of neighbours.
MINIDNN_INLINE Integers multiply_pairs(Shorts a, Shorts b) {
#if defined(__AVX512BW__)
  asm("vpmaddwd %1, %0, %0" : "+v"(a) : "v"(b));
  return __builtin_bit_cast(Integers, a);
#elif defined(__AVX2__)
  return __builtin_bit_cast(Integers, __builtin_ia32_pmaddwd256(a, b));
#elif defined(__SSE2__)
  return __builtin_bit_cast(Integers, __builtin_ia32_pmaddwd128(a, b));
#else
  Integers c;
  for (int i = 0; i < kVectorLanes; ++i) c[i] = a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
  return c;
#endif
}

// Any instruction set: the even and the odd bytes as 16-bit numbers.
struct Pairwise {
  static Integers multiply_add(Integers x, Integers w, Integers c) {
    const auto pairs = __builtin_bit_cast(Shorts, w);
    const Shorts even_x = __builtin_bit_cast(Shorts, x & 0x00ff00ff),
                 odd_x = __builtin_bit_cast(
                     Shorts, __builtin_bit_cast(Integers, __builtin_bit_cast(Words, x) >> 8) & 0x00ff00ff);
    return c + multiply_pairs(even_x, (pairs << 8) >> 8) + multiply_pairs(odd_x, pairs >> 8);
  }
};

// The same sums in one instruction, for CPUs with AVX-512 and VNNI.
struct Vnni {
  static Integers multiply_add(Integers x, Integers w, Integers c) {
#if defined(__AVX512F__)
    asm("vpdpbusd %2, %1, %0" : "+v"(c) : "v"(x), "v"(w));
    return c;
#else
    return Pairwise::multiply_add(x, w, c);
#endif
  }
};

template <class Step, int ROWS>
MINIDNN_INLINE void byte_panel(const ByteArgs& t, const std::int8_t* w, std::int32_t* y) {
  Integers c[ROWS][kTileVectors] = {};
  for (std::size_t i = 0; i < t.count; ++i) {
    const std::size_t group = t.places[i];
    const std::int8_t* row = w + group * (4 * kPanelWidth);
    const std::int8_t* ahead = w + t.places[i + kPlacesAhead] * (4 * kPanelWidth);
    Integers weights[kTileVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) {
      __builtin_prefetch(ahead + v * 4 * kVectorLanes);
      __builtin_memcpy(&weights[v], row + v * 4 * kVectorLanes, sizeof weights[v]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) {
      std::int32_t four;
      __builtin_memcpy(&four, t.x + r * t.x_row + 4 * group, sizeof four);
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v)
        c[r][v] = Step::multiply_add(Integers{} + four, weights[v], c[r][v]);
    }
  }
  for (int r = 0; r < ROWS; ++r)
    for (int v = 0; v < kTileVectors; ++v) store_sums<Int8>(y + r * t.y_row + v * kVectorLanes, c[r][v]);
}

// The rows of a panel: as many together as there are, by halves.
template <class Step, int ROWS>
MINIDNN_INLINE void byte_rows(int rows, ByteArgs t, const std::int8_t* w, std::int32_t* y) {
  if (rows >= ROWS) {
    byte_panel<Step, ROWS>(t, w, y);
    rows -= ROWS, t.x += ROWS * t.x_row, y += ROWS * t.y_row;
  }
  if constexpr (ROWS > 1) byte_rows<Step, ROWS / 2>(rows, t, w, y);
}

template <class Step>
void byte_panels(int rows, const ByteArgs& t) {
  for (std::size_t p = 0; p < t.panels; ++p)
    byte_rows<Step, kByteRows>(rows, t, t.w + p * t.panel, t.y + p * kPanelWidth);
}

// q = round(x / scale) + zero_point, within 0 to 255; NaN becomes zero_point.
MINIDNN_INLINE void quantize(const float* x, std::uint8_t* q, std::size_t n, float inverse_scale,
                             std::int32_t zero) {
  const float low = static_cast<float>(-zero), high = static_cast<float>(255 - zero);
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) {
    const float v = x[i] * inverse_scale;
    const float whole = (clamp(v == v ? v : 0.0f, low, high) + magic) - magic;
    q[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(whole) + zero);
  }
}

// y = (sum - correction) * scale, of each column its own.
MINIDNN_INLINE void rescale(const std::int32_t* sums, const std::int32_t* corrections, const float* scales,
                            float* y, std::size_t n) {
#pragma omp simd
  for (std::size_t j = 0; j < n; ++j) y[j] = static_cast<float>(sums[j] - corrections[j]) * scales[j];
}

}  // namespace minidnn::MINIDNN_ISA
