// Sums over whole arrays.
#pragma once
#include <algorithm>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {

// The sum over chunks of a fixed size, added up in their order: the same for every number of threads.
inline double sum_of_chunks(const In& x, double (*sum)(const float*, std::size_t)) {
  const std::size_t chunks = (x.size + kGrain - 1) / kGrain;
  std::vector<double> sums(chunks);
  parallel_for(chunks, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t c = begin; c < end; ++c)
      sums[c] = sum(x.data + c * kGrain, std::min(kGrain, x.size - c * kGrain));
  });
  double total = 0;
  for (const double s : sums) total += s;
  return total;
}

}  // namespace minidnn
