// A compiled model as a list of steps: a forward pass is one call, without Python, and without allocations
// once its memory exists. Any number of threads may run one engine at once.
#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "gemm.hpp"
#include "inference/product.hpp"

namespace minidnn {

// Values live in slots: slot 0 is the input, which nothing writes; the last step's is the output.
struct Step {
  std::size_t from, to;
  ProductPointer product;  // or else a formula for one row of values, the second from slot `other`
  std::function<void(const float* x, const float* other, float* y)> row;
  std::size_t other = 0;
  Act act = Act::identity;  // of a product: y = act(x W + bias)
  float alpha = 0;
  Memory<float> bias;  // null: y = x W
};

class Engine {
 public:
  Engine(const Table& table, std::vector<std::size_t> widths);  // widths: of the values in each slot
  ~Engine();

  void add(Step step);
  void run(const float* x, float* y, std::size_t rows) const;

  const Table& table() const { return table_; }
  const std::vector<std::size_t>& widths() const { return widths_; }
  std::size_t n_in() const { return widths_[0]; }
  std::size_t n_out() const { return widths_[steps_.empty() ? 0 : steps_.back().to]; }
  std::size_t bytes() const;
  std::size_t allocations() const { return allocations_.load(); }  // so far, of memory to compute in

 private:
  struct Workspace;
  class Borrowed;

  std::unique_ptr<Workspace> take(std::size_t rows, std::size_t workers) const;
  void pass(const float* x, float* y, std::size_t rows, Workspace& space, std::size_t workers) const;
  void multiply(const Step& step, const Inputs& x, const Outputs& y, Workspace& space,
                std::size_t workers) const;

  const Table& table_;
  std::vector<std::size_t> widths_;
  std::vector<Step> steps_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;
  mutable std::atomic<std::size_t> allocations_{0};
};

}  // namespace minidnn
