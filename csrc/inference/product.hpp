// A layer's weights, packed once for one instruction set: y = x W. Every sum is one chain over k = 0, 1, ...,
// as in gemm.hpp, so the result does not depend on the storage of W, the batch size or the number of threads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/table.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {

// Rows of floats, `stride` apart.
struct Inputs {
  const float* data;
  std::size_t stride, rows;
  const float* row(std::size_t i) const { return data + i * stride; }
};

// Their memory is whole blocks: round_up(rows, kRowBlock) rows of round_up(n_out, kColumnBlock) floats.
struct Outputs {
  float* data;
  std::size_t stride;
  float* row(std::size_t i) const { return data + i * stride; }
};
constexpr std::size_t kRowBlock = 64, kColumnBlock = 64;

constexpr std::size_t round_up(std::size_t n, std::size_t unit) { return ceil_div(n, unit) * unit; }

// Memory of cache lines, freed with its owner.
struct Release {
  void operator()(void* p) const;
};
template <class T>
using Memory = std::unique_ptr<T[], Release>;
void* allocate(std::size_t bytes);  // of zeros; throws std::bad_alloc
template <class T>
Memory<T> memory(std::size_t n) {
  return Memory<T>(static_cast<T*>(allocate(n * sizeof(T))));
}

class Product {
 public:
  const std::size_t n_in, n_out;

  virtual ~Product() = default;
  // Bytes that threads share, written by `prepare` and read by `run`, and bytes that each thread needs.
  virtual std::size_t shared_bytes(std::size_t rows) const = 0;
  virtual std::size_t own_bytes() const = 0;
  virtual void prepare(const Inputs& x, void* shared) const = 0;
  // The columns [begin, end) of y, both multiples of kColumnBlock, or end n_out.
  virtual void run(const Inputs& x, const Outputs& y, std::size_t begin, std::size_t end, const void* shared,
                   void* own) const = 0;
  virtual std::size_t multiplications() const = 0;  // for one input
  virtual std::size_t bytes() const = 0;            // in memory

 protected:
  Product(const Table& table, std::size_t in, std::size_t out) : n_in(in), n_out(out), table_(table) {}
  const Table& table_;
};

using ProductPointer = std::unique_ptr<Product>;

// A row of W may be anywhere: element (k, j) is w[k * n_out + j].
ProductPointer dense_product(const Table& table, const float* w, std::size_t n_in, std::size_t n_out);
ProductPointer bfloat16_product(const Table& table, const std::uint16_t* w, std::size_t n_in,
                                std::size_t n_out);

// Where weights are bytes: q = quantize(x), y = (q W - corrections) * scales.
struct Quantized {
  float inverse_scale;
  std::int32_t zero;
  const std::int32_t* corrections;  // of each column
  const float* scales;
};
ProductPointer byte_product(const Table& table, const std::int8_t* w, std::size_t n_in, std::size_t n_out,
                            const Quantized& quantized);

// columns.rows are below n_in and ascend in each column. quantized is for int8 alone.
ProductPointer sparse_product(const Table& table, Storage storage, const Columns& columns, std::size_t n_in,
                              std::size_t n_out, const Quantized* quantized);
constexpr std::size_t kMostSparseInputs = 65536;

}  // namespace minidnn
