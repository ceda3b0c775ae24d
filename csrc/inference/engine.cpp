#include "inference/engine.hpp"

#include <algorithm>

#include "runtime/parallel.hpp"

namespace minidnn {
namespace {

constexpr std::size_t kChunk = 128;               // rows that go through all steps together
constexpr std::size_t kMultiplications = 100000;  // with fewer, another thread costs more than it saves
constexpr std::size_t kFloats = 16384;            // the same for activations

std::size_t stride_of(std::size_t width) {
  // Rows that are a multiple of 4096 bytes apart would share the same few lines of a cache.
  const std::size_t floats = round_up(width, kColumnBlock);
  return floats % 1024 == 0 ? floats + 16 : floats;
}

}  // namespace

// Memory for a pass of `rows` rows by `workers` threads.
struct Engine::Workspace {
  std::size_t rows, workers, shared, own;  // the last two in bytes
  std::vector<std::size_t> slots;          // where each begins, in floats
  Memory<float> values;
  Memory<char> scratch;
  std::unique_ptr<Workspace> next;  // borrowed with it

  void* own_of(std::size_t worker) const { return scratch.get() + shared + worker * own; }
};

Engine::Engine(const Table& table, std::vector<std::size_t> widths)
    : table_(table), widths_(std::move(widths)) {}
Engine::~Engine() = default;

void Engine::add(Step step) { steps_.push_back(std::move(step)); }

std::size_t Engine::bytes() const {
  std::size_t total = 0;
  for (const Step& step : steps_)
    if (step.product) total += step.product->bytes() + step.product->n_out * sizeof(float);
  return total;
}

std::unique_ptr<Engine::Workspace> Engine::take(std::size_t rows, std::size_t workers) const {
  std::unique_ptr<Workspace> space;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto fits = std::find_if(idle_.begin(), idle_.end(), [&](const auto& each) {
      return each->rows >= rows && each->workers >= workers;
    });
    const auto found = fits != idle_.end() ? fits : idle_.begin();
    if (found != idle_.end()) {
      space = std::move(*found);
      idle_.erase(found);
    }
  }
  if (space && space->rows >= rows && space->workers >= workers) return space;
  if (space) rows = std::max(rows, space->rows), workers = std::max(workers, space->workers);
  space = std::make_unique<Workspace>();
  *space = {rows, workers, 0, 0, {}, nullptr, nullptr, nullptr};
  std::size_t floats = 0;
  for (std::size_t slot = 0; slot < widths_.size(); ++slot) {
    space->slots.push_back(floats);
    if (slot) floats += round_up(rows, kRowBlock) * stride_of(widths_[slot]);
  }
  for (const Step& step : steps_) {
    if (!step.product) continue;
    space->shared = std::max(space->shared, round_up(step.product->shared_bytes(rows), 64));
    space->own = std::max(space->own, round_up(step.product->own_bytes(), 64));
  }
  space->values = memory<float>(floats);
  space->scratch = memory<char>(space->shared + workers * space->own);
  ++allocations_;
  return space;
}

// Takes all workspaces of a call before any is used and returns them at the end of the scope, so that a
// second call like the first always finds enough of them, however threads overlap.
class Engine::Borrowed {
 public:
  Borrowed(const Engine& engine, std::size_t count, std::size_t rows, std::size_t workers) : engine_(engine) {
    for (std::size_t i = 0; i < count; ++i) {
      auto space = engine.take(rows, workers);
      space->next = std::move(first_);
      first_ = std::move(space);
    }
  }
  ~Borrowed() {
    const std::lock_guard<std::mutex> lock(engine_.mutex_);
    while (first_) {
      auto rest = std::move(first_->next);
      engine_.idle_.push_back(std::move(first_));
      first_ = std::move(rest);
    }
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  Workspace& operator[](std::size_t i) const {
    Workspace* space = first_.get();
    for (; i > 0; --i) space = space->next.get();
    return *space;
  }

 private:
  const Engine& engine_;
  std::unique_ptr<Workspace> first_;
};

// Many rows: each thread takes some of them through all steps. Few: all threads share each step.
void Engine::run(const float* x, float* y, std::size_t rows) const {
  if (rows == 0) return;
  const auto workers = static_cast<std::size_t>(threads_for(ceil_div(rows, kRowBlock)));
  const auto chunks = [&](std::size_t begin, std::size_t end, Workspace& space, std::size_t helpers) {
    for (std::size_t i = begin; i < end; i += kChunk)
      pass(x + i * n_in(), y + i * n_out(), std::min(kChunk, end - i), space, helpers);
  };
  if (workers == 1) {
    const auto helpers = static_cast<std::size_t>(threads_for(SIZE_MAX));
    const Borrowed spaces(*this, 1, std::min(rows, kChunk), helpers);
    return chunks(0, rows, spaces[0], helpers);
  }
  const std::size_t blocks = ceil_div(rows, kRowBlock);
  const Borrowed spaces(*this, workers, std::min(ceil_div(blocks, workers) * kRowBlock, kChunk), 1);
  parallel_workers(static_cast<int>(workers), [&](int worker) {
    const auto w = static_cast<std::size_t>(worker);
    const std::size_t begin = blocks * w / workers * kRowBlock, end = blocks * (w + 1) / workers * kRowBlock;
    chunks(begin, std::min(rows, end), spaces[w], 1);
  });
}

void Engine::pass(const float* x, float* y, std::size_t rows, Workspace& space, std::size_t workers) const {
  const auto slot = [&](std::size_t i) -> Outputs {
    if (i == 0) return {const_cast<float*>(x), n_in()};
    return {space.values.get() + space.slots[i], stride_of(widths_[i])};
  };
  for (const Step& step : steps_) {
    const Outputs from = slot(step.from), other = slot(step.other), to = slot(step.to);
    if (step.product)
      multiply(step, {from.data, from.stride, rows}, to, space, workers);
    else
      for (std::size_t i = 0; i < rows; ++i) step.row(from.row(i), other.row(i), to.row(i));
  }
  const Outputs last = slot(steps_.empty() ? 0 : steps_.back().to);
  for (std::size_t i = 0; i < rows; ++i) std::copy_n(last.row(i), n_out(), y + i * n_out());
}

void Engine::multiply(const Step& step, const Inputs& x, const Outputs& y, Workspace& space,
                      std::size_t workers) const {
  const Product& product = *step.product;
  void* shared = space.scratch.get();
  product.prepare(x, shared);
  const std::size_t n = product.n_out, blocks = ceil_div(n, kColumnBlock);
  const std::size_t work = x.rows * product.multiplications() / kMultiplications;
  const std::size_t helpers = std::max<std::size_t>(1, std::min({workers, blocks, work}));
  const auto columns = [&](std::size_t w) {
    const std::size_t begin = blocks * w / helpers * kColumnBlock,
                      end = blocks * (w + 1) / helpers * kColumnBlock;
    product.run(x, y, begin, std::min(n, end), shared, space.own_of(w));
  };
  const auto finish = [&](std::size_t begin, std::size_t end) {
    if (!step.bias) return;
    const auto f = table_.activation[static_cast<int>(step.act)].bias_forward;
    for (std::size_t i = begin; i < end; ++i) f(y.row(i), step.bias.get(), n, step.alpha);
  };
  if (helpers == 1) {
    columns(0);
    return finish(0, x.rows);
  }
  parallel_workers(static_cast<int>(helpers), [&](int worker) { columns(static_cast<std::size_t>(worker)); });
  if (x.rows * n < kFloats) return finish(0, x.rows);
  parallel_for(x.rows, kFloats / (n + 1) + 1, finish);
}

}  // namespace minidnn
