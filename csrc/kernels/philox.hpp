// Philox 4x32-10 (Salmon et al. 2011), 64 elements at a time: 16 blocks side by side, one per lane.
// Element 16 * w + b of a group is word w of block b, so each word of the 16 blocks is stored without a
// transpose.
#pragma once
#include <cstdint>

#include "kernels/map.hpp"
#include "kernels/simd.hpp"
#include "kernels/table.hpp"

namespace minidnn::MINIDNN_ISA {

constexpr std::size_t kGroup = 64, kLanes = 16;

// The words of a vector of blocks, each in the lower half of a lane of 64 bits; the upper halves may hold
// anything.
struct Blocks {
  Wide w0, w1, w2, w3;
};

MINIDNN_INLINE Blocks philox(Wide block, const DrawKey& key) {
  Wide c0 = block, c1 = Wide{} + key.draw, c2 = Wide{} + (key.draw >> 32), c3 = Wide{} + key.stream;
  std::uint32_t k0 = static_cast<std::uint32_t>(key.seed), k1 = static_cast<std::uint32_t>(key.seed >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const Wide product0 = multiply_lower(Wide{} + 0xD2511F53, c0);
    const Wide product1 = multiply_lower(Wide{} + 0xCD9E8D57, c2);
    c0 = (product1 >> 32) ^ c1 ^ k0;
    c1 = product1;
    c2 = (product0 >> 32) ^ c3 ^ k1;
    c3 = product0;
    k0 += 0x9E3779B9, k1 += 0xBB67AE85;
  }
  return {c0, c1, c2, c3};
}

MINIDNN_INLINE void random_group(std::uint32_t group, const DrawKey& key, std::uint32_t* bits) {
  constexpr std::size_t wide = kVectorLanes / 2;
#pragma GCC unroll 2
  for (std::size_t lane = 0; lane < kLanes; lane += wide) {
    Wide block;
    for (std::size_t l = 0; l < wide; ++l) block[l] = group * kLanes + lane + l;
    const Blocks b = philox(block, key);
    store_lower(bits + lane, b.w0), store_lower(bits + 16 + lane, b.w1);
    store_lower(bits + 32 + lane, b.w2), store_lower(bits + 48 + lane, b.w3);
  }
}

// f(i, bits of element i) for begin <= i < end; begin is a multiple of the group size.
template <class F>
MINIDNN_INLINE void for_random_bits(std::size_t begin, std::size_t end, const DrawKey& key, F f) {
  for (std::size_t i = begin; i < end; i += kGroup) {
    alignas(64) std::uint32_t bits[kGroup];
    random_group(static_cast<std::uint32_t>(i / kGroup), key, bits);
    if (end - i >= kGroup) {
#pragma omp simd
      for (std::size_t j = 0; j < kGroup; ++j) f(i + j, bits[j]);
    } else {
      for (std::size_t j = 0; j < end - i; ++j) f(i + j, bits[j]);
    }
  }
}

struct Dropout {
  std::uint32_t threshold;  // an element is kept where its bits reach it
  float scale;
  float operator()(float x, std::uint32_t bits) const { return bits >= threshold ? x * scale : 0.0f; }
};

// In [0, 1), from the upper 24 bits.
MINIDNN_INLINE float uniform(std::uint32_t bits) {
  return static_cast<float>(static_cast<std::int32_t>(bits >> 8)) * 0x1p-24f;
}

struct Bernoulli {
  float operator()(float p, std::uint32_t bits) const { return uniform(bits) < p ? 1.0f : 0.0f; }
};

struct Rrelu {
  float lower, width;
  float slope(std::uint32_t bits) const { return lower + width * uniform(bits); }
  float operator()(float x, std::uint32_t bits) const { return x > 0 ? x : slope(bits) * x; }
  float backward(float dy, float x, std::uint32_t bits) const { return x > 0 ? dy : slope(bits) * dy; }
};

}  // namespace minidnn::MINIDNN_ISA
