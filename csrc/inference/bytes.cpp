// Dense int8 weights, four rows packed together.
#include <algorithm>
#include <cstring>

#include "dispatch.hpp"
#include "inference/product.hpp"

namespace minidnn {
namespace {

constexpr std::size_t kGroup = 4;

class Bytes : public Product {
 public:
  Bytes(const Table& table, const std::int8_t* w, std::size_t in, std::size_t out, const Quantized& quantized)
      : Product(table, in, out),
        width_(table.tile_columns),
        panels_(ceil_div(out, width_)),
        groups_(ceil_div(in, kGroup)),
        inverse_scale_(quantized.inverse_scale),
        zero_(quantized.zero),
        kernel_(has_vnni() ? table.byte_panels_vnni : table.byte_panels) {
    weights_ = memory<std::int8_t>(panels_ * panel());
    for (std::size_t j = 0; j < out; ++j) {
      std::int8_t* to = weights_.get() + j / width_ * panel() + j % width_ * kGroup;
      for (std::size_t k = 0; k < in; ++k) to[k / kGroup * kGroup * width_ + k % kGroup] = w[k * out + j];
    }
    corrections_ = memory<std::int32_t>(out), scales_ = memory<float>(out);
    std::copy_n(quantized.corrections, out, corrections_.get());
    std::copy_n(quantized.scales, out, scales_.get());
  }

  std::size_t shared_bytes(std::size_t rows) const override { return list_bytes() + rows * groups_ * kGroup; }
  std::size_t own_bytes() const override { return kByteRows * width_ * sizeof(std::int32_t); }
  std::size_t multiplications() const override { return n_in * n_out / kGroup; }
  std::size_t bytes() const override { return panels_ * panel() + n_out * 8; }

  // The list of indices (their number first), and the inputs as bytes.
  void prepare(const Inputs& x, void* shared) const override {
    auto* list = static_cast<std::uint32_t*>(shared);
    auto* q = reinterpret_cast<std::uint8_t*>(static_cast<char*>(shared) + list_bytes());
    for (std::size_t i = 0; i < x.rows; ++i) {
      std::uint8_t* row = q + i * groups_ * kGroup;
      table_.quantize(x.row(i), row, n_in, inverse_scale_, zero_);
      std::fill(row + n_in, row + groups_ * kGroup, std::uint8_t{0});
    }
    std::uint32_t count = 0;
    for (std::size_t g = 0; g < groups_; ++g) {
      std::uint32_t four = 1;
      if (x.rows == 1) std::memcpy(&four, q + g * kGroup, sizeof four);
      list[1 + count] = static_cast<std::uint32_t>(g);
      count += four != 0;
    }
    list[0] = count;
    std::fill_n(list + 1 + count, kPlacesAhead, 0u);
  }

  void run(const Inputs& x, const Outputs& y, std::size_t begin, std::size_t end, const void* shared,
           void* own) const override {
    const auto* list = static_cast<const std::uint32_t*>(shared);
    const auto* q = reinterpret_cast<const std::uint8_t*>(static_cast<const char*>(shared) + list_bytes());
    auto* sums = static_cast<std::int32_t*>(own);
    for (std::size_t j = begin; j < end; j += width_) {
      const std::int8_t* w = weights_.get() + j / width_ * panel();
      for (std::size_t i = 0; i < x.rows; i += kByteRows) {
        const std::size_t rows = std::min<std::size_t>(kByteRows, x.rows - i);
        kernel_(static_cast<int>(rows),
                {q + i * groups_ * kGroup, static_cast<std::ptrdiff_t>(groups_ * kGroup), list + 1, list[0],
                 w, panel(), 1, sums, static_cast<std::ptrdiff_t>(width_)});
        for (std::size_t r = 0; r < rows; ++r)
          table_.rescale(sums + r * width_, corrections_.get() + j, scales_.get() + j, y.row(i + r) + j,
                         std::min(width_, n_out - j));
      }
    }
  }

 private:
  std::size_t panel() const { return groups_ * kGroup * width_; }
  std::size_t list_bytes() const {
    return round_up((groups_ + 2 + kPlacesAhead) * sizeof(std::uint32_t), 64);
  }

  const std::size_t width_, panels_, groups_;
  const float inverse_scale_;
  const std::int32_t zero_;
  void (*const kernel_)(int rows, const ByteArgs& args);
  Memory<std::int8_t> weights_;
  Memory<std::int32_t> corrections_;
  Memory<float> scales_;
};

}  // namespace

ProductPointer byte_product(const Table& table, const std::int8_t* w, std::size_t n_in, std::size_t n_out,
                            const Quantized& quantized) {
  return std::make_unique<Bytes>(table, w, n_in, n_out, quantized);
}

}  // namespace minidnn
