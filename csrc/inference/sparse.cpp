// Sparse weights by columns; for few inputs also in windows, where the CPU can permute registers.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "inference/product.hpp"

namespace minidnn {
namespace {

constexpr std::size_t kMostVectors = 4;

template <class T>
Memory<T> copy(const T* from, std::size_t n) {
  auto to = memory<T>(n);
  std::copy_n(from, n, to.get());
  return to;
}

// The steps of Windows: at each step every column of the panel takes its next row if that is within reach.
struct Schedule {
  std::vector<std::uint32_t> starts{0},
      taken;  // of each step and column the place in Columns; kNone for a zero
  std::vector<std::uint16_t> bases;
  static constexpr std::uint32_t kNone = UINT32_MAX;

  void add_panel(const Columns& w, const std::uint32_t* columns, std::size_t count, const Table& table) {
    std::vector<std::uint32_t> next(count);
    for (std::size_t l = 0; l < count; ++l) next[l] = w.starts[columns[l]];
    const auto row = [&](std::size_t l) -> std::size_t {
      return next[l] < w.starts[columns[l] + 1] ? w.rows[next[l]] : SIZE_MAX;
    };
    while (true) {
      std::size_t least = SIZE_MAX;
      for (std::size_t l = 0; l < count; ++l) least = std::min(least, row(l));
      if (least == SIZE_MAX) break;
      const std::size_t base = least / table.vector_lanes * table.vector_lanes;
      bases.push_back(static_cast<std::uint16_t>(base));
      for (std::size_t l = 0; l < table.tile_columns; ++l)
        taken.push_back(l < count && row(l) < base + table.lookup ? next[l]++ : kNone);
    }
    starts.push_back(static_cast<std::uint32_t>(bases.size()));
  }
};

class SparseProduct : public Product {
 public:
  SparseProduct(const Table& table, Storage storage, const Columns& columns, std::size_t in, std::size_t out,
                const Quantized* quantized)
      : Product(table, in, out),
        kernels_(table.sparse[static_cast<int>(storage)]),
        value_bytes_(storage == Storage::float32    ? 4
                     : storage == Storage::bfloat16 ? 2
                                                    : 1),
        count_(columns.starts[out]),
        width_(kMostVectors * table.vector_lanes),
        row_(round_up(in, table.vector_lanes) + table.lookup) {
    starts_ = copy(columns.starts, out + 1), rows_ = copy(columns.rows, count_);
    values_ = copy(static_cast<const char*>(columns.values), count_ * value_bytes_);
    columns_ = {starts_.get(), rows_.get(), values_.get()};
    if (quantized) {
      quantized_ = true, inverse_scale_ = quantized->inverse_scale, zero_ = quantized->zero;
      corrections_ = copy(quantized->corrections, out), scales_ = copy(quantized->scales, out);
    }
    if (table.lookup) open_windows();
  }

  std::size_t shared_bytes(std::size_t rows) const override {
    return ((round_up(rows, width_) + (quantized_ ? width_ : 0)) * row_) * sizeof(float) + n_in;
  }
  std::size_t own_bytes() const override { return round_up(n_out, kColumnBlock) * width_ * sizeof(float); }
  std::size_t multiplications() const override { return count_; }
  std::size_t bytes() const override {
    const std::size_t steps = table_.lookup ? window_starts_[panels()] : 0;
    return count_ * (2 + value_bytes_) + n_out * 4 + steps * (2 + table_.tile_columns * (1 + value_bytes_));
  }

  // Few inputs: their rows, padded by one readable window. Many: transposed blocks. Where weights are int8,
  // the inputs are quantized first.
  void prepare(const Inputs& x, void* shared) const override {
    auto* to = static_cast<float*>(shared);
    if (few(x.rows)) {
      for (std::size_t i = 0; i < x.rows; ++i) number(x.row(i), to + i * row_, shared, x.rows);
      return;
    }
    for (std::size_t top = 0; top < x.rows; top += width_) {
      const std::size_t rows = std::min(width_, x.rows - top);
      Inputs block{x.row(top), x.stride, rows};
      if (quantized_) {
        float* numbers = to + round_up(x.rows, width_) * row_;
        for (std::size_t i = 0; i < rows; ++i) number(x.row(top + i), numbers + i * row_, shared, x.rows);
        block = {numbers, row_, rows};
      }
      transpose(block, to + top * row_);
    }
  }

  void run(const Inputs& x, const Outputs& y, std::size_t begin, std::size_t end, const void* shared,
           void* own) const override {
    const auto* from = static_cast<const float*>(shared);
    auto* sums = static_cast<float*>(own);
    if (few(x.rows))
      for (std::size_t i = 0; i < x.rows; ++i) vector(from + i * row_, sums, y.row(i), begin, end);
    else
      for (std::size_t top = 0; top < x.rows; top += width_)
        tile(from + top * row_, sums, {y.row(top), y.stride}, std::min(width_, x.rows - top), begin, end);
  }

 private:
  // Windows pad their steps, so a block of columns overtakes them where it is filled.
  bool few(std::size_t rows) const { return rows <= (table_.lookup ? 6u : 1u); }
  std::size_t panels() const { return ceil_div(n_out, table_.tile_columns); }
  int vectors_for(std::size_t rows) const {
    const std::size_t vectors = ceil_div(rows, table_.vector_lanes);
    return vectors > 2 ? 4 : static_cast<int>(vectors);
  }

  // The longest columns come last, so that the columns of a panel are about as long.
  void open_windows() {
    order_.resize(round_up(n_out, table_.tile_columns));
    std::iota(order_.begin(), order_.end(), 0u);
    std::sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(n_out), [&](auto a, auto b) {
      const auto length_a = starts_[a + 1] - starts_[a], length_b = starts_[b + 1] - starts_[b];
      return length_a != length_b ? length_a < length_b : a < b;
    });
    Schedule schedule;
    for (std::size_t j = 0; j < n_out; j += table_.tile_columns)
      schedule.add_panel(columns_, order_.data() + j, std::min(table_.tile_columns, n_out - j), table_);
    window_starts_ = copy(schedule.starts.data(), schedule.starts.size());
    bases_ = copy(schedule.bases.data(), schedule.bases.size());
    places_ = memory<std::uint8_t>(schedule.taken.size());
    window_values_ = memory<char>(schedule.taken.size() * value_bytes_);
    for (std::size_t i = 0; i < schedule.taken.size(); ++i) {
      const std::uint32_t at = schedule.taken[i];
      if (at == Schedule::kNone) continue;
      places_[i] = static_cast<std::uint8_t>(rows_[at] - bases_[i / table_.tile_columns]);
      std::memcpy(window_values_.get() + i * value_bytes_, values_.get() + at * value_bytes_, value_bytes_);
    }
    windows_ = {window_starts_.get(), bases_.get(), places_.get(), window_values_.get()};
  }

  // A row of inputs as the kernels read it: floats, or quantized bytes as integers.
  void number(const float* x, float* to, void* shared, std::size_t rows) const {
    if (!quantized_) {
      std::copy_n(x, n_in, to);
      return;
    }
    auto* bytes = static_cast<std::uint8_t*>(shared) + shared_bytes(rows) - n_in;
    table_.quantize(x, bytes, n_in, inverse_scale_, zero_);
    for (std::size_t k = 0; k < n_in; ++k) {
      const std::int32_t q = bytes[k];
      std::memcpy(to + k, &q, sizeof q);
    }
  }

  // to[k * width + i] = x[i][k]: whole squares in registers, the rest one by one; missing rows become 0.
  void transpose(const Inputs& x, float* to) const {
    const std::size_t lanes = table_.vector_lanes, columns = n_in / lanes * lanes;
    const auto width = static_cast<std::size_t>(vectors_for(x.rows)) * lanes;
    for (std::size_t i = 0; i < width; i += lanes) {
      const std::size_t rows = i < x.rows ? std::min(lanes, x.rows - i) : 0;
      for (std::size_t k = 0; k < columns; k += lanes)
        table_.transpose_block(x.row(i) + k, static_cast<std::ptrdiff_t>(x.stride), rows, to + k * width + i,
                               static_cast<std::ptrdiff_t>(width));
    }
    for (std::size_t k = columns; k < n_in; ++k)
      for (std::size_t i = 0; i < width; ++i) to[k * width + i] = i < x.rows ? x.row(i)[k] : 0.0f;
  }

  void tile(const float* x, float* sums, const Outputs& y, std::size_t rows, std::size_t begin,
            std::size_t end) const {
    const int vectors = vectors_for(rows);
    const std::size_t lanes = table_.vector_lanes, width = static_cast<std::size_t>(vectors) * lanes;
    kernels_.tile(columns_, begin, end, x, sums, vectors);
    for (std::size_t i = 0; i < rows; i += lanes)
      for (std::size_t j = begin; j < end; j += lanes)
        table_.transpose_block(sums + j * width + i, static_cast<std::ptrdiff_t>(width), lanes, y.row(i) + j,
                               static_cast<std::ptrdiff_t>(y.stride));
    if (quantized_)
      for (std::size_t i = 0; i < rows; ++i) rescale(y.row(i) + begin, begin, end - begin);
  }

  void vector(const float* x, float* sums, float* y, std::size_t begin, std::size_t end) const {
    if (!table_.lookup) {
      kernels_.vector(columns_, begin, end, x, y);
      if (quantized_) rescale(y + begin, begin, end - begin);
      return;
    }
    kernels_.windows(windows_, begin / table_.tile_columns, ceil_div(end, table_.tile_columns), x, sums);
    for (std::size_t j = begin; j < end; ++j) {
      y[order_[j]] = sums[j];
      if (quantized_) rescale(y + order_[j], order_[j], 1);
    }
  }

  // Integer sums become floats in place.
  void rescale(float* y, std::size_t j, std::size_t n) const {
    table_.rescale(reinterpret_cast<const std::int32_t*>(y), corrections_.get() + j, scales_.get() + j, y, n);
  }

  const Sparse kernels_;
  const std::size_t value_bytes_, count_;
  const std::size_t width_, row_;  // inputs in a block, floats of an input
  Memory<std::uint32_t> starts_, window_starts_;
  Memory<std::uint16_t> rows_, bases_;
  Memory<std::uint8_t> places_;
  Memory<char> values_, window_values_;
  std::vector<std::uint32_t> order_;
  Columns columns_{};
  Windows windows_{};
  bool quantized_ = false;
  float inverse_scale_ = 1;
  std::int32_t zero_ = 0;
  Memory<std::int32_t> corrections_;
  Memory<float> scales_;
};

}  // namespace

ProductPointer sparse_product(const Table& table, Storage storage, const Columns& columns, std::size_t n_in,
                              std::size_t n_out, const Quantized* quantized) {
  return std::make_unique<SparseProduct>(table, storage, columns, n_in, n_out, quantized);
}

}  // namespace minidnn
