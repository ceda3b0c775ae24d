// A program: kernel calls on fixed memory, in order, run again and again without Python.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "runtime/parallel.hpp"

namespace minidnn::program {

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

// An elementwise call: element i touches only index i of the arrays it writes.
struct Elementwise {
  std::size_t size;
  std::vector<Span> spans;
  std::function<void(std::size_t begin, std::size_t end)> part;
  std::function<void()> prepare = {};  // runs before the first part, once; may be empty
  bool to_the_end = false;             // changes its arguments, so it must not be stopped between two parts

  // Whether the two may run piece by piece, in turn.
  bool may_interleave(const Elementwise& other) const {
    for (const Span& a : spans)
      for (const Span& b : other.spans)
        if (a.touches(b) && !(a.same_place(b) && a.size == size && size == other.size)) return false;
    return true;
  }
};

class Program {
 public:
  using Call = std::function<void()>;

  void add(Call call) {
    steps_.push_back({calls_.size(), {}});
    calls_.push_back({std::move(call), {}});
  }

  // Consecutive elementwise calls run together: the threads start once, each takes its share of every array,
  // and the results of one call are still in the cache for the next.
  void add(Elementwise call) {
    if (!joins(call)) steps_.push_back({kTogether, {}});
    auto& groups = steps_.back().groups;
    const auto same = std::find_if(groups.begin(), groups.end(),
                                   [&](const Group& group) { return group.size == call.size; });
    Group& group = same == groups.end() ? groups.emplace_back(Group{call.size, {}}) : *same;
    group.calls.push_back(calls_.size());
    calls_.push_back({{}, std::move(call)});
  }

  std::size_t size() const { return calls_.size(); }

  void run() const {
    for (const Step& step : steps_) {
      if (step.call != kTogether)
        calls_[step.call].whole();
      else
        run_together(step.groups);
    }
  }

  // Runs each call alone; returns the seconds that each took.
  std::vector<double> time() const {
    using Clock = std::chrono::steady_clock;
    std::vector<double> seconds;
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      const auto start = Clock::now();
      if (calls_[i].whole)
        calls_[i].whole();
      else
        run_together({{calls_[i].elementwise.size, {i}}});
      seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
    return seconds;
  }

 private:
  struct Entry {
    Call whole;  // empty for an elementwise call
    Elementwise elementwise;
  };
  // Elementwise calls on equally many elements, by number.
  struct Group {
    std::size_t size;
    std::vector<std::size_t> calls;
  };
  static constexpr std::size_t kTogether = static_cast<std::size_t>(-1);
  // One call, by number, or groups.
  struct Step {
    std::size_t call;
    std::vector<Group> groups;
  };

  static constexpr std::size_t kPiece =
      2048;  // floats: pieces of a few arrays fit into the first-level cache

  bool joins(const Elementwise& call) const {
    if (steps_.empty() || steps_.back().call != kTogether) return false;
    for (const Group& group : steps_.back().groups)
      for (const std::size_t before : group.calls)
        if (!call.may_interleave(calls_[before].elementwise)) return false;
    return true;
  }

  void run_together(const std::vector<Group>& groups) const {
    std::size_t work = 0;
    for (const Group& group : groups) {
      work += group.size * group.calls.size();
      for (const std::size_t i : group.calls) {
        const Elementwise& call = calls_[i].elementwise;
        if (call.to_the_end) must_finish();
        if (call.prepare) call.prepare();
      }
    }
    const auto workers = static_cast<std::size_t>(threads_for(work / kGrain));
    parallel_workers(static_cast<int>(workers), [&](int worker) {
      for (const Group& group : groups) {
        const Range mine = part_of(group.size, kCut, static_cast<std::size_t>(worker), workers);
        const std::size_t piece = group.calls.size() == 1 ? mine.size() : kPiece;
        for (std::size_t i = mine.begin; i < mine.end; i += piece)
          for (const std::size_t call : group.calls)
            calls_[call].elementwise.part(i, std::min(i + piece, mine.end));
      }
    });
  }

  std::vector<Entry> calls_;
  std::vector<Step> steps_;
};

}  // namespace minidnn::program
