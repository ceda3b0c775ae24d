// The matrix product C = A B, in layers as in BLIS: threads, cache blocks, packed panels, register tiles.
// Independent of the instruction set: the tile comes from the table.
#pragma once
#include <cstddef>

#include "kernels/table.hpp"

namespace minidnn {

// Any view of floats: the transpose of a matrix is the same memory with its strides swapped.
struct Matrix {
  const float* data;
  std::size_t rows, columns;
  std::ptrdiff_t row_stride, column_stride;  // in floats

  Matrix transposed() const { return {data, columns, rows, column_stride, row_stride}; }
};

// What happens to a row of C once its sums are complete: c = activation(c + bias).
struct Epilogue {
  void (*bias_forward)(float* z, const float* bias, std::size_t n, float alpha);
  const float* bias;
  float alpha;
};

// c is row-major and contiguous, a.rows x b.columns, and overlaps neither a nor b. epilogue may be null.
void gemm(const Table& table, const Matrix& a, const Matrix& b, float* c, const Epilogue* epilogue = nullptr);

}  // namespace minidnn
