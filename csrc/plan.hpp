// A recorded list of bound kernel calls, replayed without Python.
#pragma once
#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "kernels/table.hpp"
#include "parallel.hpp"

namespace minidnn {

// What differs from one replay to the next, in the order of recording.
struct Cells {
  std::vector<double> rates, steps;  // of each optimizer update
  std::vector<DrawKey> draws;        // of each random draw
};

// What a call reads or writes.
struct Span {
  const float* data;
  std::size_t size;
  bool written;

  // Whether the order of the two matters.
  bool touches(const Span& other) const {
    return (written || other.written) && data < other.data + other.size && other.data < data + size;
  }
  bool same_place(const Span& other) const { return data == other.data && size == other.size; }
};

// A call that reads and writes place i of its large arrays for element i, and besides only reads.
struct Elementwise {
  std::size_t size;
  std::vector<Span> spans;
  std::function<void(const Cells&, std::size_t begin, std::size_t end)> part;
  bool to_the_end = false;  // it changes what it was given, and must not be stopped half-way

  // Whether the two may be done piece by piece, in turn.
  bool may_interleave(const Elementwise& other) const {
    for (const Span& a : spans)
      for (const Span& b : other.spans)
        if (a.touches(b) && !(a.same_place(b) && a.size == size && size == other.size)) return false;
    return true;
  }
};

class Plan {
 public:
  using Call = std::function<void(const Cells&)>;

  void add(Call call) { entries_.push_back({std::move(call), {}}); }

  // Elementwise calls that follow one another are done together: the threads start once, each takes its
  // share of every array, the small ones too, and what one call left in the cache is there for the next.
  void add(Elementwise call) {
    if (!joins(call)) entries_.push_back({});
    auto& groups = entries_.back().together;
    const auto same = std::find_if(groups.begin(), groups.end(),
                                   [&](const Group& group) { return group.size == call.size; });
    Group& group = same == groups.end() ? groups.emplace_back(Group{call.size, {}}) : *same;
    group.calls.push_back(std::move(call));
  }

  void replay(const Cells& cells) const {
    for (const Entry& entry : entries_) {
      if (entry.call)
        entry.call(cells);
      else
        replay_together(entry.together, cells);
    }
  }

 private:
  // Calls on as many elements.
  struct Group {
    std::size_t size;
    std::vector<Elementwise> calls;
  };
  // One call, or groups.
  struct Entry {
    Call call;
    std::vector<Group> together;
  };

  static constexpr std::size_t kPiece = 2048;  // floats: a few arrays of them lie in the first-level cache

  bool joins(const Elementwise& call) const {
    if (entries_.empty() || entries_.back().call) return false;
    for (const Group& group : entries_.back().together)
      for (const Elementwise& before : group.calls)
        if (!call.may_interleave(before)) return false;
    return true;
  }

  static void replay_together(const std::vector<Group>& groups, const Cells& cells) {
    std::size_t work = 0;
    for (const Group& group : groups) {
      work += group.size * group.calls.size();
      for (const Elementwise& call : group.calls)
        if (call.to_the_end) must_finish();
    }
    const auto workers = static_cast<std::size_t>(threads_for(work / kGrain));
    parallel_workers(static_cast<int>(workers), [&](int worker) {
      for (const Group& group : groups) {
        const Range mine = part_of(group.size, kCut, static_cast<std::size_t>(worker), workers);
        const std::size_t piece = group.calls.size() == 1 ? mine.size() : kPiece;
        for (std::size_t i = mine.begin; i < mine.end; i += piece)
          for (const Elementwise& call : group.calls) call.part(cells, i, std::min(i + piece, mine.end));
      }
    });
  }

  std::vector<Entry> entries_;
};

}  // namespace minidnn
