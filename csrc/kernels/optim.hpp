// One struct an optimizer: the update of one parameter. minidnn/reference/optim.py holds the same lines in
// NumPy, and says which scalars are derived; they arrive here in the order of the members.
#pragma once
#include "kernels/exp.hpp"
#include "kernels/map.hpp"

namespace minidnn::MINIDNN_ISA {

// keep * slot, or 0 where that is no normal number. The slot of a weight whose gradient stays 0 (an input
// that is never on) would otherwise end among the denormal numbers, where rounding holds it (0.9 * 4 units
// are 4) and where Intel's cores take some 150 cycles for a multiplication.
inline float fade(float keep, float slot) {
  constexpr float smallest = 0x1p-126f;
  const float faded = keep * slot;
  return faded < smallest && faded > -smallest ? 0.0f : faded;
}

struct Sgd {
  float lr;
  void operator()(float& param, float grad) const { param = param - lr * grad; }
};

struct Momentum {
  float lr, momentum;
  void operator()(float& param, float grad, float& velocity) const {
    velocity = fade(momentum, velocity) + grad;
    param = param - lr * velocity;
  }
};

struct Nesterov {
  float lr, momentum;
  void operator()(float& param, float grad, float& velocity) const {
    velocity = fade(momentum, velocity) + grad;
    param = param - lr * (grad + momentum * velocity);
  }
};

struct Adagrad {
  float lr, eps;
  void operator()(float& param, float grad, float& accumulator) const {
    accumulator = accumulator + grad * grad;
    param = param - lr * grad / sqrt(accumulator + eps);
  }
};

struct RmsProp {
  float lr, decay, rest, eps;
  void operator()(float& param, float grad, float& s) const {
    s = fade(decay, s) + rest * (grad * grad);
    param = param - lr * grad / sqrt(s + eps);
  }
};

struct RmsPropMomentum {
  float lr, decay, rest, momentum, eps;
  void operator()(float& param, float grad, float& s, float& mom) const {
    s = fade(decay, s) + rest * (grad * grad);
    mom = fade(momentum, mom) + lr * grad / sqrt(s + eps);
    param = param - mom;
  }
};

struct RmsPropCentered {
  float lr, decay, rest, momentum, eps;
  void operator()(float& param, float grad, float& s, float& mom, float& mean) const {
    s = fade(decay, s) + rest * (grad * grad);
    mean = fade(decay, mean) + rest * grad;
    const float variance = s - mean * mean;  // below 0 where rounding has it so
    mom = fade(momentum, mom) + lr * grad / sqrt((variance < 0 ? 0.0f : variance) + eps);
    param = param - mom;
  }
};

struct Adam {
  float rate, root, beta1, rest1, beta2, rest2, eps;
  void operator()(float& param, float grad, float& m, float& v) const {
    m = fade(beta1, m) + rest1 * grad;
    v = fade(beta2, v) + rest2 * (grad * grad);
    param = param - rate * m / (sqrt(v) * root + eps);
  }
};

struct AmsGrad {
  float rate, root, beta1, rest1, beta2, rest2, eps;
  void operator()(float& param, float grad, float& m, float& v, float& v_max) const {
    m = fade(beta1, m) + rest1 * grad;
    v = fade(beta2, v) + rest2 * (grad * grad);
    v_max = v > v_max ? v : v_max;
    param = param - rate * m / (sqrt(v_max) * root + eps);
  }
};

struct AdamW {
  float rate, root, beta1, rest1, beta2, rest2, eps, keep;
  void operator()(float& param, float grad, float& m, float& v) const {
    m = fade(beta1, m) + rest1 * grad;
    v = fade(beta2, v) + rest2 * (grad * grad);
    param = keep * param - rate * m / (sqrt(v) * root + eps);
  }
};

struct NAdam {
  float rate, grad_rate, root, beta1, rest1, beta2, rest2, eps;
  void operator()(float& param, float grad, float& m, float& v) const {
    m = fade(beta1, m) + rest1 * grad;
    v = fade(beta2, v) + rest2 * (grad * grad);
    param = param - (rate * m + grad_rate * grad) / (sqrt(v) * root + eps);
  }
};

struct Adamax {
  float rate, beta1, rest1, beta2, eps;
  void operator()(float& param, float grad, float& m, float& u) const {
    m = fade(beta1, m) + rest1 * grad;
    const float size = grad < 0 ? -grad : grad, decayed = fade(beta2, u);
    u = decayed > size ? decayed : size;
    param = param - rate * m / (u + eps);
  }
};

struct Adadelta {
  float lr, rho, rest, eps;
  void operator()(float& param, float grad, float& s, float& delta) const {
    s = fade(rho, s) + rest * (grad * grad);
    const float step = sqrt(delta + eps) / sqrt(s + eps) * grad;
    delta = fade(rho, delta) + rest * (step * step);
    param = param - lr * step;
  }
};

struct Lion {
  float lr, keep, beta1, rest1, beta2, rest2;
  void operator()(float& param, float grad, float& m) const {
    const float direction = beta1 * m + rest1 * grad;
    const float sign = direction > 0 ? 1.0f : (direction < 0 ? -1.0f : 0.0f);
    param = keep * param - lr * sign;
    m = fade(beta2, m) + rest2 * grad;
  }
};

// The three forms of accumulator ** -lr_power that FTRL divides by.
struct SquareRoot {
  float operator()(float x) const { return sqrt(x); }
};
struct One {
  float operator()(float) const { return 1.0f; }
};
struct Power {
  float exponent;
  float operator()(float x) const { return exp(exponent * log(x)); }
};

// For lr > 0: table.cpp leaves out a step of rate 0.
template <class P>
struct Ftrl {
  float lr, l1, twice_l2, twice_shrinkage;
  P power;
  void operator()(float& param, float grad, float& accumulator, float& linear) const {
    const float sum = accumulator + grad * grad, root = power(sum);
    linear = linear + ((grad + twice_shrinkage * param) - (root - power(accumulator)) / lr * param);
    accumulator = sum;
    const float pull = linear > 0 ? l1 - linear : -l1 - linear, size = linear < 0 ? -linear : linear;
    param = size > l1 ? pull / (root / lr + twice_l2) : 0.0f;
  }
};

}  // namespace minidnn::MINIDNN_ISA
