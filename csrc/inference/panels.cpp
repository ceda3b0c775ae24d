// Dense weights of float32 and bfloat16, in panels as the register tile reads them.
#include <algorithm>
#include <new>

#include "inference/product.hpp"

namespace minidnn {

void Release::operator()(void* p) const { ::operator delete(p, std::align_val_t{64}); }

void* allocate(std::size_t bytes) {
  bytes = round_up(std::max<std::size_t>(bytes, 1), 64);
  void* p = ::operator new(bytes, std::align_val_t{64});
  std::fill_n(static_cast<char*>(p), bytes, '\0');
  return p;
}

namespace {

constexpr std::size_t kDepth = 384;  // rows of a panel in the first-level cache, as in gemm.cpp

template <class T>
class Panels : public Product {
 public:
  Panels(const Table& table, const T* w, std::size_t in, std::size_t out)
      : Product(table, in, out), width_(table.tile_columns), panels_(ceil_div(out, width_)) {
    weights_ = memory<T>(panels_ * panel());
    for (std::size_t p = 0; p < panels_; ++p) {
      const std::size_t columns = std::min(width_, out - p * width_);
      for (std::size_t k = 0; k < in; ++k)
        std::copy_n(w + k * out + p * width_, columns, weights_.get() + p * panel() + k * width_);
    }
  }

  std::size_t shared_bytes(std::size_t) const override {
    return (n_in + 1 + kPlacesAhead) * sizeof(std::uint32_t);
  }
  std::size_t own_bytes() const override { return kExpands ? kDepth * width_ * sizeof(float) : 0; }
  std::size_t multiplications() const override { return n_in * n_out; }
  std::size_t bytes() const override { return panels_ * panel() * sizeof(T); }

  // The list of indices, their number first.
  void prepare(const Inputs& x, void* shared) const override {
    if (x.rows != 1) return;
    auto* list = static_cast<std::uint32_t*>(shared);
    const std::size_t count = table_.nonzeros(x.data, n_in, list + 1);
    list[0] = static_cast<std::uint32_t>(count);
    std::fill_n(list + 1 + count, kPlacesAhead, 0u);
  }

  void run(const Inputs& x, const Outputs& y, std::size_t begin, std::size_t end, const void* shared,
           void* own) const override {
    const std::size_t first = begin / width_, last = ceil_div(end, width_);
    if (x.rows == 1) {
      const auto* list = static_cast<const std::uint32_t*>(shared);
      table_.vector_panels[kExpands](x.data, list + 1, list[0], weights_.get() + first * panel(), panel(),
                                     last - first, y.data + begin);
      return;
    }
    for (std::size_t p = first; p < last; ++p) {
      const std::size_t columns = std::min(width_, round_up(n_out - p * width_, table_.vector_lanes));
      for (std::size_t k = 0; k < n_in; k += kDepth) {
        const std::size_t depth = std::min(kDepth, n_in - k);
        const T* block = weights_.get() + p * panel() + k * width_;
        tiles(x, y, p * width_, columns, k, depth, floats(block, depth * width_, own));
      }
    }
  }

 private:
  static constexpr bool kExpands = sizeof(T) == sizeof(std::uint16_t);

  std::size_t panel() const { return n_in * width_; }

  const float* floats(const T* block, std::size_t n, void* own) const {
    if constexpr (kExpands) {
      auto* to = static_cast<float*>(own);
      table_.expand_bfloat16(block, to, n);
      return to;
    } else {
      return (void)n, (void)own, block;
    }
  }

  // Rows are distributed evenly over the tiles (16 = 8 + 8).
  void tiles(const Inputs& x, const Outputs& y, std::size_t column, std::size_t columns, std::size_t k,
             std::size_t depth, const float* b) const {
    const std::size_t heights = ceil_div(x.rows, table_.tile_rows);
    for (std::size_t h = 0; h < heights; ++h) {
      const std::size_t top = x.rows * h / heights, bottom = x.rows * (h + 1) / heights;
      TileArgs args{};
      args.a = x.row(top) + k;
      args.a_row = static_cast<std::ptrdiff_t>(x.stride), args.a_k = 1;
      args.b = b, args.b_k = static_cast<std::ptrdiff_t>(width_);
      args.ahead = table_.rows_ahead * args.b_k;
      args.c = y.row(top) + column, args.c_row = static_cast<std::ptrdiff_t>(y.stride);
      args.depth = depth, args.columns = columns, args.accumulate = k > 0;
      table_.gemm_tile(static_cast<int>(bottom - top), args);
    }
  }

  const std::size_t width_, panels_;
  Memory<T> weights_;
};

}  // namespace

ProductPointer dense_product(const Table& table, const float* w, std::size_t n_in, std::size_t n_out) {
  return std::make_unique<Panels<float>>(table, w, n_in, n_out);
}

ProductPointer bfloat16_product(const Table& table, const std::uint16_t* w, std::size_t n_in,
                                std::size_t n_out) {
  return std::make_unique<Panels<std::uint16_t>>(table, w, n_in, n_out);
}

}  // namespace minidnn
