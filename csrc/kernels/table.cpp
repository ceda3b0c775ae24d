// Fills the table of one instruction set; CMake compiles this file once for each, with MINIDNN_ISA as its
// name.
#include "kernels/table.hpp"

#include "kernels/activations.hpp"
#include "kernels/embedding.hpp"
#include "kernels/gemm_tile.hpp"
#include "kernels/integers.hpp"
#include "kernels/map.hpp"
#include "kernels/normal.hpp"
#include "kernels/normalization.hpp"
#include "kernels/optim.hpp"
#include "kernels/pack.hpp"
#include "kernels/philox.hpp"
#include "kernels/rows.hpp"
#include "kernels/sparse.hpp"
#include "kernels/weights.hpp"

#define MINIDNN_STRING_(x) #x
#define MINIDNN_STRING(x) MINIDNN_STRING_(x)

namespace minidnn::MINIDNN_ISA {
namespace {

using std::size_t;

template <class F>
constexpr F with_alpha(float alpha) {
  if constexpr (sizeof(F) == sizeof(float))
    return F{alpha};
  else
    return (void)alpha, F{};
}

template <class F>
constexpr Activation activation() {
  return {
      [](const float* x, float* y, size_t n, float alpha) { map(n, with_alpha<F>(alpha), x, y); },
      [](const float* dy, const float* x_or_y, float* dx, size_t n, float alpha) {
        map(n, [f = with_alpha<F>(alpha)](float d, float v) { return f.backward(d, v); }, dy, x_or_y, dx);
      },
      [](float* z, const float* bias, size_t n, float alpha) {
        map(n, [f = with_alpha<F>(alpha)](float v, float b) { return f(v + b); }, z, bias, z);
      },
  };
}

template <void (*Row)(const float*, float*, size_t)>
void rows_of(const float* x, float* y, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; ++i) Row(x + i * columns, y + i * columns, columns);
}

template <void (*Row)(const float*, const float*, float*, size_t)>
void rows_of(const float* x1, const float* x2, float* y, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; ++i) Row(x1 + i * columns, x2 + i * columns, y + i * columns, columns);
}

template <class F>
void step(float* const* arrays, size_t begin, size_t end, const float* scalars) {
  static_assert(sizeof(F) <= kMaxScalars * sizeof(float));
  F f;
  __builtin_memcpy(static_cast<void*>(&f), scalars, sizeof f);
  update(f, arrays, begin, end);
}

// A rate of 0, by which the formula divides, changes nothing; tested here, since loops must have no branch.
template <>
void step<FtrlStep>(float* const* arrays, size_t begin, size_t end, const float* scalars) {
  FtrlStep f;
  __builtin_memcpy(static_cast<void*>(&f), scalars, sizeof f);
  if (f.lr == 0) return;
  if (f.form == FtrlStep::kSquareRoot)
    step<Ftrl<SquareRoot>>(arrays, begin, end, scalars);
  else if (f.form == FtrlStep::kOne)
    step<Ftrl<One>>(arrays, begin, end, scalars);
  else
    step<Ftrl<Power>>(arrays, begin, end, scalars);
}

// Its weights are a multiple of the rate: of rate 0 they would all be 0.
template <>
void step<AdagradDa>(float* const* arrays, size_t begin, size_t end, const float* scalars) {
  AdagradDa f;
  __builtin_memcpy(static_cast<void*>(&f), scalars, sizeof f);
  if (f.lr != 0) update(f, arrays, begin, end);
}

template <class F>
void derive(const double* settings, float* scalars) {
  const F f = with_settings(F::of, settings);
  __builtin_memcpy(scalars, static_cast<const void*>(&f), sizeof f);
}

}  // namespace

extern const Table table;
const Table table = {
    MINIDNN_STRING(MINIDNN_ISA),
#define MINIDNN_ACT(name, formula, ...) , activation<formula>()
    {activation<Identity>() MINIDNN_ACTIVATIONS(MINIDNN_ACT)},
#undef MINIDNN_ACT

    /* add */
    [](const float* a, const float* b, float* y, size_t n) {
      map(n, [](float u, float v) { return u + v; }, a, b, y);
    },
    /* subtract */
    [](const float* a, const float* b, float* y, size_t n) {
      map(n, [](float u, float v) { return u - v; }, a, b, y);
    },
    /* multiply */
    [](const float* a, const float* b, float* y, size_t n) {
      map(n, [](float u, float v) { return u * v; }, a, b, y);
    },
    /* sum */
    [](const float* x, size_t n) { return double_sum(n, [x](size_t i) { return x[i]; }); },
    /* scale_rows */
    [](const float* x, const float* factors, float* y, size_t rows, size_t columns) {
      for (size_t i = 0; i < rows; ++i)
        map(columns, [factor = factors[i]](float v) { return v * factor; }, x + i * columns, y + i * columns);
    },
    /* moving_average */
    [](float* running, const float* value, size_t n, float keep, float take) {
      map(n, [=](float r, float v) { return keep * r + take * v; }, running, value, running);
    },

    /* prelu */
    [](const float* x, const float* alpha, float* y, size_t rows, size_t columns) {
      const auto f = [](float v, float a) { return v > 0 ? v : a * v; };
      for (size_t i = 0; i < rows; ++i) map(columns, f, x + i * columns, alpha, y + i * columns);
    },
    /* prelu_backward */
    [](const float* dy, const float* x, const float* alpha, float* dx, size_t rows, size_t columns) {
      for (size_t i = 0, at = 0; i < rows; ++i, at += columns) {
#pragma omp simd
        for (size_t j = 0; j < columns; ++j) dx[at + j] = x[at + j] > 0 ? dy[at + j] : alpha[j] * dy[at + j];
      }
    },
    /* prelu_alpha */
    [](const float* dy, const float* x, float* dalpha, size_t rows, size_t columns, size_t stride) {
      const auto f = [=](size_t i, size_t j) {
        const size_t at = i * stride + j;
        return x[at] > 0 ? 0.0f : dy[at] * x[at];
      };
      column_reduce(f, dalpha, rows, columns);
    },
    rows_of<softmax_row>,
    rows_of<softmax_backward_row>,
    rows_of<log_softmax_row>,
    rows_of<log_softmax_backward_row>,
    /* softmax_cross_entropy */
    [](const float* logits, const std::int64_t* labels, float* losses, float* dlogits, size_t rows,
       size_t columns) {
      bool right = true;
      for (size_t i = 0, at = 0; i < rows; ++i, at += columns) {
        const std::int64_t label = read_once(labels + i);
        const bool there = label >= 0 && static_cast<size_t>(label) < columns;
        right &= there;
        losses[i] = softmax_cross_entropy_row(logits + at, there ? label : 0, dlogits + at, columns);
      }
      return right;
    },
    /* row_sum */
    [](const float* x, float* sums, size_t rows, size_t columns) {
      for (size_t i = 0; i < rows; ++i) sums[i] = row_sum(x + i * columns, columns);
    },
    /* column_sum */
    [](const float* x, float* sums, size_t rows, size_t columns, size_t stride) {
      column_reduce([=](size_t i, size_t j) { return x[i * stride + j]; }, sums, rows, columns);
    },

    embedding_bag,
    /* embedding_bag_shares */
    [](const Bags& bags, const float* dy, float* shares, size_t columns) {
      for (size_t bag = 0; bag < bags.count; ++bag)
        divide_by_count(bags, bag, dy + bag * columns, shares + bag * columns, columns);
    },
    embedding_bag_backward,

    kGroup,
    /* random_bits */
    [](std::uint32_t* bits, size_t begin, size_t end, const DrawKey& key) {
      for_random_bits(begin, end, key, [=](size_t i, std::uint32_t b) { bits[i] = b; });
    },
    /* dropout */
    [](const float* x, float* y, size_t begin, size_t end, const DrawKey& key, std::uint32_t threshold,
       float scale) {
      const Dropout f{threshold, scale};
      for_random_bits(begin, end, key, [=](size_t i, std::uint32_t b) { y[i] = f(x[i], b); });
    },
    /* random_normal */
    [](float* y, size_t begin, size_t end, const DrawKey& key, double mean, double std) {
      const Normal f{mean, std};
      for_random_bits(begin, end, key, [=](size_t i, std::uint32_t b) { y[i] = f(b); });
    },
    /* bernoulli */
    [](const float* p, float* y, size_t begin, size_t end, const DrawKey& key) {
      const Bernoulli f{};
      for_random_bits(begin, end, key, [=](size_t i, std::uint32_t b) { y[i] = f(p[i], b); });
    },
    /* rrelu */
    [](const float* x, float* y, size_t begin, size_t end, const DrawKey& key, float lower, float width) {
      const Rrelu f{lower, width};
      for_random_bits(begin, end, key, [=](size_t i, std::uint32_t b) { y[i] = f(x[i], b); });
    },
    /* rrelu_backward */
    [](const float* dy, const float* x, float* dx, size_t begin, size_t end, const DrawKey& key, float lower,
       float width) {
      const Rrelu f{lower, width};
      for_random_bits(begin, end, key,
                      [=](size_t i, std::uint32_t b) { dx[i] = f.backward(dy[i], x[i], b); });
    },

#define MINIDNN_UPDATE(name, formula, ...) {derive<formula>, step<formula>},
    {MINIDNN_UPDATES(MINIDNN_UPDATE)},
#undef MINIDNN_UPDATE

    /* sum_of_squares: a product of two floats is exact in double */
    [](const float* x, size_t n) {
      return double_sum(n, [x](size_t i) { return static_cast<double>(x[i]) * static_cast<double>(x[i]); });
    },
    /* sum_of_magnitudes */
    [](const float* x, size_t n) { return double_sum(n, [x](size_t i) { return magnitude(x[i]); }); },
    /* l1_l2_gradient */
    [](const float* w, float* dw, size_t n, float l1, float twice_l2) {
      map(n, [=](float v) { return l1 * sign(v) + twice_l2 * v; }, w, dw);
    },
    /* scale */
    [](float* x, size_t n, float factor) { map(n, [factor](float v) { return v * factor; }, x, x); },
    /* clip */
    [](float* x, size_t n, float low, float high) {
      map(n, [=](float v) { return v < low ? low : (v > high ? high : v); }, x, x);
    },
    /* mask_weights: no product, in which a NaN would stay and -1 become -0 */
    [](float* w, const float* mask, size_t n) {
      map(n, [](float v, float m) { return m != 0 ? v : 0.0f; }, w, mask, w);
    },
    /* max_norm_rows */
    [](float* w, size_t rows, size_t columns, float limit) {
      rescale_rows(w, rows, columns, MaxNorm{limit});
    },
    /* unit_norm_rows */
    [](float* w, size_t rows, size_t columns) { rescale_rows(w, rows, columns, UnitNorm{}); },
    /* max_norm_columns */
    [](float* w, float* factors, size_t rows, size_t columns, size_t stride, float limit) {
      rescale_columns(w, factors, rows, columns, stride, MaxNorm{limit});
    },
    /* unit_norm_columns */
    [](float* w, float* factors, size_t rows, size_t columns, size_t stride) {
      rescale_columns(w, factors, rows, columns, stride, UnitNorm{});
    },

    batch_statistics,
    batch_norm,
    batch_norm_sums,
    batch_norm_backward,
    /* layer_norm */
    [](const float* x, const float* gamma, const float* beta, float eps, float* y, float* mean, float* var,
       size_t rows, size_t columns) {
      for (size_t i = 0, at = 0; i < rows; ++i, at += columns)
        layer_norm_row(x + at, gamma, beta, eps, y + at, mean + i, var + i, columns);
    },
    /* layer_norm_backward */
    [](const float* dy, const float* x, const float* gamma, const float* mean, const float* var, float eps,
       float* dx, size_t rows, size_t columns) {
      for (size_t i = 0, at = 0; i < rows; ++i, at += columns)
        layer_norm_backward_row(dy + at, x + at, gamma, mean[i], var[i], eps, dx + at, columns);
    },
    layer_norm_sums,

    kTileRows,
    kTileVectors * kVectorLanes,
    kVectorLanes,
    kWideRows,
    kWideVectors * kVectorLanes,
    kEdgeVectors * kVectorLanes,
    kWideDepth,
    kFewDepth,
    kNear,
    kRowsAhead,
    kRowsInPlace,
    kMaskedLoads,
    [](int rows, const TileArgs& args) { choose_rows<kTileRows>(rows, args); },
    gemm_row,
    copy_rows,
    transpose_block,

    kLookup,
    {sparse_kernels<Float32>(), sparse_kernels<Bfloat16>(), sparse_kernels<Int8>()},
    {vector_panels_of<Float32>, vector_panels_of<Bfloat16>},
    nonzeros,
    expand_bfloat16,
    byte_panels<Pairwise>,
    byte_panels<Vnni>,
    quantize,
    rescale,
};

}  // namespace minidnn::MINIDNN_ISA
