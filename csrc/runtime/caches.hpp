// The caches of this machine. They determine the block sizes of a product, but not its result.
#pragma once
#include <cstddef>

#if defined(__linux__)
#include <unistd.h>
#endif

namespace minidnn::runtime {

// Bytes of a core's second-level cache; 512 kB where the system does not say.
inline std::size_t second_level_cache() {
  static const std::size_t bytes = [] {
    constexpr std::size_t least = 262144, most = 4194304;
    long reported = 0;
#if defined(_SC_LEVEL2_CACHE_SIZE)
    reported = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    if (reported <= 0) return std::size_t{524288};
    const auto size = static_cast<std::size_t>(reported);
    return size < least ? least : size > most ? most : size;
  }();
  return bytes;
}

}  // namespace minidnn::runtime
