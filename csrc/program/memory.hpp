// Memory of arrays: it begins at cache lines, and not always at the same offset within a page.
//
// NumPy's large arrays begin 16 bytes behind a page boundary: every vector of 64 bytes lies in two cache
// lines, and the stores to one array wait for loads of the next that only look like the same address. An
// Adam update of four arrays takes a third of the time with this memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace minidnn {

constexpr std::size_t kLine = 64, kPage = 4096, kHuge = std::size_t{4} << 20;

// One array's memory; freed by the destructor.
class AlignedMemory {
 public:
  // At `place` quarters of a page behind a page boundary; small arrays only at the start of a cache line.
  AlignedMemory(std::size_t bytes, int place) : bytes_(bytes < kLine ? kLine : bytes) {
    const bool pages = bytes >= 4 * kPage;
    const std::size_t room = bytes + (pages ? 2 * kPage : 0);
    if (room < bytes) throw std::bad_alloc();
    memory_.reset(::operator new(room + kLine, std::align_val_t{kLine}, std::nothrow));
    if (!memory_) throw std::bad_alloc();
    auto at = reinterpret_cast<std::uintptr_t>(memory_.get());
    if (pages) at = (at + kPage - 1) / kPage * kPage + static_cast<std::size_t>(place % 4) * (kPage / 4);
    data_ = reinterpret_cast<char*>(at);
#if defined(__linux__)
    if (bytes >= kHuge) madvise(data_ - at % kPage, bytes, MADV_HUGEPAGE);  // as NumPy does; may be refused
#endif
  }

  char* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* p) const { ::operator delete(p, std::align_val_t{kLine}); }
  };
  std::unique_ptr<void, Free> memory_;
  char* data_;
  std::size_t bytes_;
};

// The memory of a program's results. While a step is recorded, memory that Python drops returns here and is
// used for later results. A replay writes and reads in the same order, so nothing is overwritten too early.
class Pool {
 public:
  char* take(std::size_t bytes, int place) {
    const auto found = free_.lower_bound(bytes);
    if (found != free_.end() && found->first <= 2 * bytes) {
      char* data = found->second;
      free_.erase(found);
      return data;
    }
    AlignedMemory block(bytes, place);
    char* data = block.data();
    blocks_.emplace(data, std::move(block));
    return data;
  }
  void give_back(char* data) { free_.emplace(blocks_.at(data).bytes(), data); }

  bool holds(const char* p) const {
    const auto next = blocks_.upper_bound(const_cast<char*>(p));
    return next != blocks_.begin() && p < std::prev(next)->second.data() + std::prev(next)->second.bytes();
  }

  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& [data, block] : blocks_) sum += block.bytes();
    return sum;
  }

 private:
  std::map<char*, AlignedMemory> blocks_;
  std::multimap<std::size_t, char*> free_;
};

}  // namespace minidnn
