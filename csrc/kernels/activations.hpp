// One struct per activation: the formula, and its derivative computed from the output y or the input x, as
// the list in table.hpp says. Both propagate NaN.
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
    const float above = x > 0 ? magnitude : x;  // a zero keeps its sign
    return x < 0 ? -magnitude : above;
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
  float backward(float dy, float y) const { return dy * (0.0f - expm1_below(-y)); }
};

struct Relu6 {
  float operator()(float x) const { return clamp(x, 0.0f, 6.0f); }
  float backward(float dy, float y) const { return ((y > 0) & (y < 6)) ? dy : 0.0f; }
};

struct Hardtanh {
  float operator()(float x) const { return clamp(x, -1.0f, 1.0f); }
  float backward(float dy, float y) const { return ((y > -1) & (y < 1)) ? dy : 0.0f; }
};

struct Hardsigmoid {
  float operator()(float x) const { return clamp(x + 3.0f, 0.0f, 6.0f) / 6.0f; }
  float backward(float dy, float y) const { return ((y > 0) & (y < 1)) ? dy / 6.0f : 0.0f; }
};

struct Hardswish {
  float operator()(float x) const { return x * Hardsigmoid{}(x); }
  float backward(float dy, float x) const {
    const float inside = x < 3 ? (2.0f * x + 3.0f) / 6.0f : 1.0f;
    return dy * (x > -3 ? inside : 0.0f);
  }
};

struct Celu {
  float alpha;
  float operator()(float x) const { return x > 0 ? x : alpha * expm1_below(x / alpha); }
  float backward(float dy, float y) const { return y > 0 ? dy : dy * (y / alpha + 1.0f); }
};

struct Softsign {
  float operator()(float x) const { return x / (1.0f + (x < 0 ? -x : x)); }
  float backward(float dy, float y) const {
    const float rest = 1.0f - (y < 0 ? -y : y);
    return dy * (rest * rest);
  }
};

struct ThresholdedRelu {
  float alpha;
  float operator()(float x) const { return x <= alpha ? 0.0f : x; }
  float backward(float dy, float x) const { return x > alpha ? dy : 0.0f; }
};

struct LogSigmoid {
  float operator()(float x) const { return -Softplus{}(-x); }
  float backward(float dy, float y) const { return dy * (0.0f - expm1_below(y)); }
};

struct Silu {
  float operator()(float x) const { return x * Sigmoid{}(x); }
  float backward(float dy, float x) const {
    const float s = Sigmoid{}(x);
    return dy * (s * (1.0f + x * (1.0f - s)));
  }
};

struct Mish {
  float share(float x) const {  // tanh(log(1 + exp(x))), in which nothing overflows
    const float e = exp(x < 0 ? x : -x);
    const float above = (1.0f + 2.0f * e) / (1.0f + 2.0f * e * (1.0f + e)), sum = e * (e + 2.0f);
    return x < 0 ? sum / (sum + 2.0f) : above;
  }
  float operator()(float x) const { return x * share(x); }
  float backward(float dy, float x) const {
    const float t = share(x);
    return dy * (t + x * (1.0f - t * t) * Sigmoid{}(x));
  }
};

// The normal distribution function: 1/2 erfc(-x / sqrt(2)), with a relative error below 1.2e-7, by a
// Chebyshev polynomial (Press et al. 1992, section 6.2).
MINIDNN_INLINE float normal_cdf(float x) {
  const float z = 0.707106781186547524f * (x < 0 ? -x : x), t = 1.0f / (1.0f + 0.5f * z);
  float p = 0.17087277f;
  p = p * t - 0.82215223f;
  p = p * t + 1.48851587f;
  p = p * t - 1.13520398f;
  p = p * t + 0.27886807f;
  p = p * t - 0.18628806f;
  p = p * t + 0.09678418f;
  p = p * t + 0.37409196f;
  p = p * t + 1.00002368f;
  p = p * t - 1.26551223f;
  const float tail = 0.5f * t * exp(p - z * z);
  return x < 0 ? tail : 1.0f - tail;
}

struct Gelu {
  float operator()(float x) const { return x * normal_cdf(x); }
  float backward(float dy, float x) const {
    const float density = 0.398942280401432678f * exp(-0.5f * (x * x));
    return dy * (normal_cdf(x) + x * density);
  }
};

struct GeluTanh {
  static constexpr float kRate = 1.59576912160573071f, kCube = 0.044715f;  // 2 sqrt(2 / pi)
  float share(float x) const { return Sigmoid{}(kRate * (x + kCube * (x * x * x))); }
  float operator()(float x) const { return x * share(x); }
  float backward(float dy, float x) const {
    const float s = share(x), slope = kRate * (1.0f + 3.0f * kCube * (x * x));
    return dy * (s + x * (s * (1.0f - s)) * slope);
  }
};

}  // namespace minidnn::MINIDNN_ISA
