// Sums of chosen rows of a matrix, bag by bag, and their gradient: rows added where they were taken from.
// Entries are added in order, so that every sum has one fixed order.
#pragma once
#include <cstdint>

#include "kernels/map.hpp"
#include "kernels/table.hpp"

namespace minidnn::MINIDNN_ISA {

MINIDNN_INLINE void add_row(const float* x, float* y, std::size_t n) {
  map(n, [](float u, float v) { return u + v; }, y, x, y);
}

// y = x / the number of entries that count; unchanged for an empty bag.
MINIDNN_INLINE void divide_by_count(const Bags& bags, std::size_t bag, const float* x, float* y,
                                    std::size_t n) {
  std::size_t count = 0;
  for (std::size_t i = bags.begin(bag), end = bags.end(bag); i < end; ++i)
    count += read_once(bags.indices + i) != bags.padding;
  map(n, [divisor = static_cast<float>(count ? count : 1)](float v) { return v / divisor; }, x, y);
}

MINIDNN_INLINE bool is_row(const Bags& bags, std::int64_t row) {
  return row >= 0 && static_cast<std::uint64_t>(row) < bags.rows;
}

// Bags [first, last) of y.
inline bool embedding_bag(const Bags& bags, const float* weight, float* y, std::size_t first,
                          std::size_t last, std::size_t n) {
  bool right = true;
  for (std::size_t bag = first; bag < last; ++bag) {
    float* sum = y + bag * n;
    for (std::size_t j = 0; j < n; ++j) sum[j] = 0.0f;
    for (std::size_t i = bags.begin(bag), end = bags.end(bag); i < end; ++i) {
      const std::int64_t row = read_once(bags.indices + i);
      if (row == bags.padding) continue;
      if (is_row(bags, row))
        add_row(weight + row * static_cast<std::int64_t>(n), sum, n);
      else
        right = false;
    }
    if (bags.mean) divide_by_count(bags, bag, sum, sum, n);
  }
  return right;
}

// Rows [first, last) of dw; shares holds what each entry of a bag gets of dy.
inline bool embedding_bag_backward(const Bags& bags, const float* shares, float* dw, std::size_t first,
                                   std::size_t last, std::size_t n) {
  for (std::size_t at = first * n; at < last * n; ++at) dw[at] = 0.0f;
  const auto low = static_cast<std::int64_t>(first), high = static_cast<std::int64_t>(last);
  bool right = true;
  for (std::size_t bag = 0; bag < bags.count; ++bag)
    for (std::size_t i = bags.begin(bag), end = bags.end(bag); i < end; ++i) {
      const std::int64_t row = read_once(bags.indices + i);
      right &= row == bags.padding || is_row(bags, row);
      if (row >= low && row < high && row != bags.padding)
        add_row(shares + bag * n, dw + row * static_cast<std::int64_t>(n), n);
    }
  return right;
}

}  // namespace minidnn::MINIDNN_ISA
