// The interface between the kernels and their callers: plain loops over plain memory, one table of functions
// per instruction set. No kernel throws, allocates, checks its arguments or starts a thread.
#pragma once
#include <cstddef>
#include <cstdint>

namespace minidnn {

// Every activation but the identity: name, formula (activations.hpp), whether it has an alpha, and what its
// derivative reads: the output y or the input x.
#define MINIDNN_ACTIVATIONS(X)                  \
  X(relu, Relu, false, y)                       \
  X(leaky_relu, LeakyRelu, true, y)             \
  X(elu, Elu, true, y)                          \
  X(selu, Selu, false, y)                       \
  X(tanh, Tanh, false, y)                       \
  X(sigmoid, Sigmoid, false, y)                 \
  X(softplus, Softplus, false, y)               \
  X(relu6, Relu6, false, y)                     \
  X(hardtanh, Hardtanh, false, y)               \
  X(hardsigmoid, Hardsigmoid, false, y)         \
  X(hardswish, Hardswish, false, x)             \
  X(celu, Celu, true, y)                        \
  X(softsign, Softsign, false, y)               \
  X(thresholded_relu, ThresholdedRelu, true, x) \
  X(logsigmoid, LogSigmoid, false, y)           \
  X(mish, Mish, false, x)                       \
  X(silu, Silu, false, x)                       \
  X(gelu, Gelu, false, x)                       \
  X(gelu_tanh, GeluTanh, false, x)

#define MINIDNN_ACT(name, ...) name,
enum class Act { identity, MINIDNN_ACTIVATIONS(MINIDNN_ACT) count };
#undef MINIDNN_ACT

// Every optimizer update: name, formula (optim.hpp), the parameter's slots, the settings of its `of`, in
// order.
#define MINIDNN_UPDATES(X)                                                             \
  X(sgd, Sgd, (), (lr))                                                                \
  X(momentum, Momentum, (velocity), (lr, momentum))                                    \
  X(nesterov, Nesterov, (velocity), (lr, momentum))                                    \
  X(adagrad, Adagrad, (accumulator), (lr, eps))                                        \
  X(rmsprop, RmsProp, (s), (lr, decay, eps))                                           \
  X(rmsprop_momentum, RmsPropMomentum, (s, mom), (lr, decay, momentum, eps))           \
  X(rmsprop_centered, RmsPropCentered, (s, mom, mean), (lr, decay, momentum, eps))     \
  X(adam, Adam, (m, v), (lr, beta1, beta2, eps, step))                                 \
  X(amsgrad, AmsGrad, (m, v, v_max), (lr, beta1, beta2, eps, step))                    \
  X(adamw, AdamW, (m, v), (lr, beta1, beta2, eps, weight_decay, step))                 \
  X(nadam, NAdam, (m, v), (lr, beta1, beta2, eps, step))                               \
  X(adamax, Adamax, (m, u), (lr, beta1, beta2, eps, step))                             \
  X(adadelta, Adadelta, (s, delta), (lr, rho, eps))                                    \
  X(lion, Lion, (m), (lr, beta1, beta2, weight_decay))                                 \
  X(ftrl, FtrlStep, (accumulator, linear), (lr, lr_power, l1, l2, l2_shrinkage, beta)) \
  X(adagrad_da, AdagradDa, (gradient_sum, accumulator), (lr, l1, l2, step))            \
  X(radam, RAdam, (m, v), (lr, beta1, beta2, eps, step))                               \
  X(lars, Lars, (velocity), (lr, momentum, weight_decay))                              \
  X(lamb, Lamb, (m, v, direction), (beta1, beta2, eps, weight_decay, step))            \
  X(adafactor, Adafactor, (), (lr, rate, weight_decay))                                \
  X(adafactor_mean, AdafactorMean, (), (beta2_decay, count, step))                     \
  X(adafactor_direction, AdafactorDirection, (), (eps))

#define MINIDNN_UPDATE(name, ...) name,
enum class Update { MINIDNN_UPDATES(MINIDNN_UPDATE) count };
#undef MINIDNN_UPDATE
constexpr std::size_t kMaxScalars = 8, kMaxSlots = 3;

// Scalars are the members of the formula's struct, in order, derived from its settings and rounded once.
struct Formula {
  void (*derive)(const double* settings, float* scalars);
  // Elements [begin, end) of param, grad and slots.
  void (*run)(float* const* arrays, std::size_t begin, std::size_t end, const float* scalars);
};

// alpha is the setting of those that have one; the others ignore it. Which of x and y a
// derivative reads is in MINIDNN_ACTIVATIONS.
struct Activation {
  void (*forward)(const float* x, float* y, std::size_t n, float alpha);
  void (*backward)(const float* dy, const float* x_or_y, float* dx, std::size_t n, float alpha);
  void (*bias_forward)(float* z, const float* bias, std::size_t n, float alpha);  // z = f(z + bias), in place
};

// c[i][j] (+)= sum over k of a[i][k] * b[k][j], for rows x columns of C; strides in floats, columns of b and
// c adjacent.
struct TileArgs {
  const float* a;
  std::ptrdiff_t a_row, a_k;
  const float* b;
  std::ptrdiff_t b_k;
  float* c;
  std::ptrdiff_t c_row;
  std::ptrdiff_t ahead;  // from a row of b to the address that is prefetched with it
  std::size_t depth, columns;
  bool accumulate;  // start from C instead of 0
};

// The key of one draw of random bits, see philox.hpp.
struct DrawKey {
  std::uint64_t seed, draw;
  std::uint32_t stream;
};

// How a compiled model stores its weights; see storage.hpp.
enum class Storage { float32, bfloat16, int8, count };

// The nonzero weights, column after column: those of column j are [starts[j], starts[j + 1]), their rows
// ascend.
struct Columns {
  const std::uint32_t* starts;
  const std::uint16_t* rows;
  const void* values;
};

// The same in panels of tile_columns columns that go forward in step; see sparse_windows.
struct Windows {
  const std::uint32_t* starts;  // the first step of each panel
  const std::uint16_t* bases;   // of each step
  const std::uint8_t* places;   // of each step and column: the row, from the base
  const void* values;
};

// x and y are floats, or where weights are int8 std::int32_t. [begin, end) are columns, for windows panels.
struct Sparse {
  void (*tile)(const Columns& w, std::size_t begin, std::size_t end, const void* x, void* y, int vectors);
  void (*vector)(const Columns& w, std::size_t begin, std::size_t end, const void* x, void* y);
  void (*windows)(const Windows& w, std::size_t begin, std::size_t end, const void* x, void* y);
};

// A list of places can be read this many elements past its end.
constexpr std::size_t kPlacesAhead = 8;

// y[r][j] = sum over i < count of the products of the four bytes of x[r] and of w's column j at group
// places[i].
constexpr int kByteRows = 8;
struct ByteArgs {
  const std::uint8_t* x;
  std::ptrdiff_t x_row;
  const std::uint32_t* places;
  std::size_t count;
  const std::int8_t* w;
  std::size_t panel, panels;  // bytes from one panel to the next; how many
  std::int32_t* y;
  std::ptrdiff_t y_row;
};

// An index that another thread may change: what is checked is what is used.
inline __attribute__((always_inline)) std::int64_t read_once(const std::int64_t* p) {
  return __atomic_load_n(p, __ATOMIC_RELAXED);
}

// Which rows of a matrix make up which bag: entries [begin, end) of indices, but for those that are padding.
// Bags begin at their offsets; without offsets each has `width` entries.
struct Bags {
  const std::int64_t *indices, *offsets;
  std::size_t entries, count, width, rows;
  std::int64_t padding;
  bool mean;  // else the sum

  std::size_t begin(std::size_t bag) const {
    return offsets ? static_cast<std::size_t>(read_once(offsets + bag)) : bag * width;
  }
  // At most entries, whatever the offsets hold; a begin beyond its end makes an empty bag.
  std::size_t end(std::size_t bag) const {
    const std::size_t next = bag + 1 < count ? begin(bag + 1) : entries;
    return next < entries ? next : entries;
  }
};

struct Table {
  const char* isa;
  Activation activation[static_cast<int>(Act::count)];

  void (*add)(const float* a, const float* b, float* y, std::size_t n);
  void (*subtract)(const float* a, const float* b, float* y, std::size_t n);
  void (*multiply)(const float* a, const float* b, float* y, std::size_t n);
  double (*sum)(const float* x, std::size_t n);
  void (*scale_rows)(const float* x, const float* factors, float* y, std::size_t rows, std::size_t columns);
  void (*moving_average)(float* running, const float* value, std::size_t n, float keep, float take);

  // Rows of `columns` floats, one under the other.
  void (*prelu)(const float* x, const float* alpha, float* y, std::size_t rows, std::size_t columns);
  void (*prelu_backward)(const float* dy, const float* x, const float* alpha, float* dx, std::size_t rows,
                         std::size_t columns);
  void (*prelu_alpha)(const float* dy, const float* x, float* dalpha, std::size_t rows, std::size_t columns,
                      std::size_t stride);
  void (*softmax)(const float* x, float* y, std::size_t rows, std::size_t columns);
  void (*softmax_backward)(const float* dy, const float* y, float* dx, std::size_t rows, std::size_t columns);
  void (*log_softmax)(const float* x, float* y, std::size_t rows, std::size_t columns);
  void (*log_softmax_backward)(const float* dy, const float* y, float* dx, std::size_t rows,
                               std::size_t columns);
  // False where a label is out of range, and the row's results are of no use: labels may change after they
  // were checked.
  bool (*softmax_cross_entropy)(const float* logits, const std::int64_t* labels, float* losses,
                                float* dlogits, std::size_t rows, std::size_t columns);
  void (*row_sum)(const float* x, float* sums, std::size_t rows, std::size_t columns);
  // A band of columns of a wider matrix: its rows are `stride` floats apart.
  void (*column_sum)(const float* x, float* sums, std::size_t rows, std::size_t columns, std::size_t stride);

  // Rows of `columns` floats each, [first, last) of what is written. False where an index is out of range; it
  // is left out.
  bool (*embedding_bag)(const Bags& bags, const float* weight, float* y, std::size_t first, std::size_t last,
                        std::size_t columns);
  void (*embedding_bag_shares)(const Bags& bags, const float* dy, float* shares, std::size_t columns);
  bool (*embedding_bag_backward)(const Bags& bags, const float* shares, float* dw, std::size_t first,
                                 std::size_t last, std::size_t columns);

  // Elements [begin, end) of an array; begin is a multiple of random_group.
  std::size_t random_group;
  void (*random_bits)(std::uint32_t* bits, std::size_t begin, std::size_t end, const DrawKey& key);
  void (*dropout)(const float* x, float* y, std::size_t begin, std::size_t end, const DrawKey& key,
                  std::uint32_t threshold, float scale);
  void (*random_normal)(float* y, std::size_t begin, std::size_t end, const DrawKey& key, double mean,
                        double std);
  void (*bernoulli)(const float* p, float* y, std::size_t begin, std::size_t end, const DrawKey& key);
  void (*rrelu)(const float* x, float* y, std::size_t begin, std::size_t end, const DrawKey& key, float lower,
                float width);
  void (*rrelu_backward)(const float* dy, const float* x, float* dx, std::size_t begin, std::size_t end,
                         const DrawKey& key, float lower, float width);

  Formula update[static_cast<int>(Update::count)];

  double (*sum_of_squares)(const float* x, std::size_t n);
  double (*sum_of_magnitudes)(const float* x, std::size_t n);
  void (*l1_l2_gradient)(const float* w, float* dw, std::size_t n, float l1, float twice_l2);
  void (*scale)(float* x, std::size_t n, float factor);
  void (*clip)(float* x, std::size_t n, float low, float high);
  void (*mask_weights)(float* w, const float* mask, std::size_t n);
  void (*max_norm_rows)(float* w, std::size_t rows, std::size_t columns, float limit);
  void (*unit_norm_rows)(float* w, std::size_t rows, std::size_t columns);
  // factors has room for one a column.
  void (*max_norm_columns)(float* w, float* factors, std::size_t rows, std::size_t columns,
                           std::size_t stride, float limit);
  void (*unit_norm_columns)(float* w, float* factors, std::size_t rows, std::size_t columns,
                            std::size_t stride);

  // Bands of columns again, see normalization.hpp.
  void (*batch_statistics)(const float* x, float* mean, float* var, std::size_t rows, std::size_t columns,
                           std::size_t stride);
  void (*batch_norm)(const float* x, const float* gamma, const float* beta, const float* mean,
                     const float* var, float eps, float* y, std::size_t rows, std::size_t columns,
                     std::size_t stride);
  void (*batch_norm_sums)(const float* dy, const float* x, const float* mean, const float* var, float eps,
                          float* dgamma, float* dbeta, std::size_t rows, std::size_t columns,
                          std::size_t stride);
  void (*batch_norm_backward)(const float* dy, const float* x, const float* gamma, const float* mean,
                              const float* var, float eps, const float* dgamma, const float* dbeta, float n,
                              float* dx, std::size_t rows, std::size_t columns, std::size_t stride);
  void (*layer_norm)(const float* x, const float* gamma, const float* beta, float eps, float* y, float* mean,
                     float* var, std::size_t rows, std::size_t columns);
  void (*layer_norm_backward)(const float* dy, const float* x, const float* gamma, const float* mean,
                              const float* var, float eps, float* dx, std::size_t rows, std::size_t columns);
  void (*layer_norm_sums)(const float* dy, const float* x, const float* mean, const float* var, float eps,
                          float* dgamma, float* dbeta, std::size_t rows, std::size_t columns,
                          std::size_t stride);

  std::size_t tile_rows, tile_columns, vector_lanes;  // the largest tile
  std::size_t wide_rows, wide_columns;                // the largest one with few rows
  std::size_t edge_columns;                           // the widest one at the end of a row of tiles
  std::size_t wide_depth, few_depth;                  // how far k is cut for few rows and b in place
  std::size_t near;                                   // floats of b that are read in place
  std::ptrdiff_t rows_ahead;                          // rows of b from the one read to the one prefetched
  bool rows_in_place;                                 // contiguous rows of a are never packed
  bool masked_loads;                                  // else b must be readable up to a whole vector
  void (*gemm_tile)(int rows, const TileArgs& args);
  void (*gemm_row)(const TileArgs& args);  // one row, any number of columns, none read behind the last
  void (*copy_rows)(const float* from, std::ptrdiff_t from_row, std::size_t count, float* to,
                    std::size_t width, std::size_t n);
  // `count` rows, at most vector_lanes, of vector_lanes columns; rows are from_row and to_row floats apart.
  void (*transpose_block)(const float* from, std::ptrdiff_t from_row, std::size_t count, float* to,
                          std::ptrdiff_t to_row);

  // What runs models that no longer learn, by Storage.
  std::size_t lookup;  // rows that a step of windows sees; 0 where there is no such kernel
  Sparse sparse[static_cast<int>(Storage::count)];
  // y = x times packed panels of float32 or bfloat16; panel: values from one to the next.
  void (*vector_panels[static_cast<int>(Storage::int8)])(const float* x, const std::uint32_t* places,
                                                         std::size_t count, const void* w, std::size_t panel,
                                                         std::size_t panels, float* y);
  std::size_t (*nonzeros)(const float* x, std::size_t n, std::uint32_t* places);
  void (*expand_bfloat16)(const std::uint16_t* from, float* to, std::size_t n);
  void (*byte_panels)(int rows, const ByteArgs& args);       // rows <= kByteRows
  void (*byte_panels_vnni)(int rows, const ByteArgs& args);  // the same sums, where the CPU has VNNI
  void (*quantize)(const float* x, std::uint8_t* q, std::size_t n, float inverse_scale, std::int32_t zero);
  void (*rescale)(const std::int32_t* sums, const std::int32_t* corrections, const float* scales, float* y,
                  std::size_t n);
};

}  // namespace minidnn
