// One struct an activation: the formula, and its derivative told by the output y. Both pass NaN on.
#pragma once
#include "kernels/exp.hpp"

namespace minidnn::MINIDNN_ISA {

struct Identity {
  float operator()(float x) const { return x; }
  float backward(float dy, float) const { return dy; }
};

struct Relu {
  float operator()(float x) const { return x < 0 ? 0.0f : x; }
  float backward(float dy, float y) const { return y > 0 ? dy : 0.0f; }
};

struct LeakyRelu {
  float alpha;
  float operator()(float x) const { return x > 0 ? x : alpha * x; }
  float backward(float dy, float y) const { return y > 0 ? dy : alpha * dy; }
};

struct Elu {
  float alpha;
  float operator()(float x) const { return x > 0 ? x : alpha * expm1_below(x); }
  float backward(float dy, float y) const { return y > 0 ? dy : dy * (y + alpha); }
};

struct Selu {
  static constexpr float kScale = 1.05070098735548049342f, kScaledAlpha = 1.75809934084737685994f;
  float operator()(float x) const { return x > 0 ? kScale * x : kScaledAlpha * expm1_below(x); }
  float backward(float dy, float y) const { return y > 0 ? dy * kScale : dy * (y + kScaledAlpha); }
};

struct Tanh {
  float operator()(float x) const {
    const float e = expm1_below(-2.0f * (x < 0 ? -x : x));  // in (-1, 0]
    const float magnitude = -e / (e + 2.0f);
    return x < 0 ? -magnitude : magnitude;
  }
  float backward(float dy, float y) const { return dy * (1.0f - y * y); }
};

struct Sigmoid {
  float operator()(float x) const {
    const float e = exp(x < 0 ? x : -x);  // in (0, 1]: nothing overflows
    return (x < 0 ? e : 1.0f) / (1.0f + e);
  }
  float backward(float dy, float y) const { return dy * (y * (1.0f - y)); }
};

struct Softplus {
  float operator()(float x) const {
    const float e = exp(x < 0 ? x : -x);  // in (0, 1]: nothing overflows
    return (x > 0 ? x : 0.0f) + log1p_unit(e);
  }
  float backward(float dy, float y) const { return dy * -expm1_below(-y); }
};

}  // namespace minidnn::MINIDNN_ISA
