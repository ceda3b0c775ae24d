// One struct per optimizer update: `of` computes its members from the settings, in double and rounded once;
// the call updates one float of a parameter. minidnn/reference/optim.py has the same lines in NumPy.
#pragma once
#include "kernels/exp.hpp"
#include "kernels/map.hpp"

namespace minidnn::MINIDNN_ISA {

// keep * slot, or 0 where that is not a normal number. The slot of a weight whose gradient stays 0 would
// otherwise become a denormal number that rounding keeps constant (0.9 * 4 units round to 4), and a
// multiplication with it takes about 150 cycles on Intel's cores.
inline float fade(float keep, float slot) {
  constexpr float smallest = 0x1p-126f;
  const float faded = keep * slot;
  return faded < smallest && faded > -smallest ? 0.0f : faded;
}

// Members rounded to float, in order.
template <class F, class... D>
MINIDNN_INLINE F rounded(D... values) {
  return F{static_cast<float>(values)...};
}

// The bias corrections of Adam and its variants.
MINIDNN_INLINE double rate_of(double lr, double beta1, double step) {
  return lr / (1 - __builtin_pow(beta1, step));
}
MINIDNN_INLINE double root_of(double beta2, double step) {
  return 1 / __builtin_sqrt(1 - __builtin_pow(beta2, step));
}

struct Sgd {
  float lr;
  static Sgd of(double lr) { return rounded<Sgd>(lr); }
  void operator()(float& param, float grad) const { param = param - lr * grad; }
};

struct Momentum {
  float lr, momentum;
  static Momentum of(double lr, double momentum) { return rounded<Momentum>(lr, momentum); }
  void operator()(float& param, float grad, float& velocity) const {
    velocity = fade(momentum, velocity) + grad;
    param = param - lr * velocity;
  }
};

struct Nesterov {
  float lr, momentum;
  static Nesterov of(double lr, double momentum) { return rounded<Nesterov>(lr, momentum); }
  void operator()(float& param, float grad, float& velocity) const {
    velocity = fade(momentum, velocity) + grad;
    param = param - lr * (grad + momentum * velocity);
  }
};

struct Adagrad {
  float lr, eps;
  static Adagrad of(double lr, double eps) { return rounded<Adagrad>(lr, eps); }
  void operator()(float& param, float grad, float& accumulator) const {
    accumulator = accumulator + grad * grad;
    param = param - lr * grad / sqrt(accumulator + eps);
  }
};

struct RmsProp {
  float lr, decay, rest, eps;
  static RmsProp of(double lr, double decay, double eps) {
    return rounded<RmsProp>(lr, decay, 1 - decay, eps);
  }
  void operator()(float& param, float grad, float& s) const {
    s = fade(decay, s) + rest * (grad * grad);
    param = param - lr * grad / sqrt(s + eps);
  }
};

struct RmsPropMomentum {
  float lr, decay, rest, momentum, eps;
  static RmsPropMomentum of(double lr, double decay, double momentum, double eps) {
    return rounded<RmsPropMomentum>(lr, decay, 1 - decay, momentum, eps);
  }
  void operator()(float& param, float grad, float& s, float& mom) const {
    s = fade(decay, s) + rest * (grad * grad);
    mom = fade(momentum, mom) + lr * grad / sqrt(s + eps);
    param = param - mom;
  }
};

struct RmsPropCentered {
  float lr, decay, rest, momentum, eps;
  static RmsPropCentered of(double lr, double decay, double momentum, double eps) {
    return rounded<RmsPropCentered>(lr, decay, 1 - decay, momentum, eps);
  }
  void operator()(float& param, float grad, float& s, float& mom, float& mean) const {
    s = fade(decay, s) + rest * (grad * grad);
    mean = fade(decay, mean) + rest * grad;
    const float variance = s - mean * mean;  // may be below 0 by rounding
    mom = fade(momentum, mom) + lr * grad / sqrt((variance < 0 ? 0.0f : variance) + eps);
    param = param - mom;
  }
};

struct Adam {
  float rate, root, beta1, rest1, beta2, rest2, eps;
  static Adam of(double lr, double beta1, double beta2, double eps, double step) {
    return rounded<Adam>(rate_of(lr, beta1, step), root_of(beta2, step), beta1, 1 - beta1, beta2, 1 - beta2,
                         eps);
  }
  void operator()(float& param, float grad, float& m, float& v) const {
    m = fade(beta1, m) + rest1 * grad;
    v = fade(beta2, v) + rest2 * (grad * grad);
    param = param - rate * m / (sqrt(v) * root + eps);
  }
};

struct AmsGrad {
  float rate, root, beta1, rest1, beta2, rest2, eps;
  static AmsGrad of(double lr, double beta1, double beta2, double eps, double step) {
    return rounded<AmsGrad>(rate_of(lr, beta1, step), root_of(beta2, step), beta1, 1 - beta1, beta2,
                            1 - beta2, eps);
  }
  void operator()(float& param, float grad, float& m, float& v, float& v_max) const {
    m = fade(beta1, m) + rest1 * grad;
    v = fade(beta2, v) + rest2 * (grad * grad);
    v_max = v > v_max ? v : v_max;
    param = param - rate * m / (sqrt(v_max) * root + eps);
  }
};

struct AdamW {
  float rate, root, beta1, rest1, beta2, rest2, eps, keep;
  static AdamW of(double lr, double beta1, double beta2, double eps, double weight_decay, double step) {
    return rounded<AdamW>(rate_of(lr, beta1, step), root_of(beta2, step), beta1, 1 - beta1, beta2, 1 - beta2,
                          eps, 1 - lr * weight_decay);
  }
  void operator()(float& param, float grad, float& m, float& v) const {
    m = fade(beta1, m) + rest1 * grad;
    v = fade(beta2, v) + rest2 * (grad * grad);
    param = keep * param - rate * m / (sqrt(v) * root + eps);
  }
};

struct NAdam {
  float rate, grad_rate, root, beta1, rest1, beta2, rest2, eps;
  static NAdam of(double lr, double beta1, double beta2, double eps, double step) {
    return rounded<NAdam>(beta1 * rate_of(lr, beta1, step + 1), (1 - beta1) * rate_of(lr, beta1, step),
                          root_of(beta2, step), beta1, 1 - beta1, beta2, 1 - beta2, eps);
  }
  void operator()(float& param, float grad, float& m, float& v) const {
    m = fade(beta1, m) + rest1 * grad;
    v = fade(beta2, v) + rest2 * (grad * grad);
    param = param - (rate * m + grad_rate * grad) / (sqrt(v) * root + eps);
  }
};

struct Adamax {
  float rate, beta1, rest1, beta2, eps;
  static Adamax of(double lr, double beta1, double beta2, double eps, double step) {
    return rounded<Adamax>(rate_of(lr, beta1, step), beta1, 1 - beta1, beta2, eps);
  }
  void operator()(float& param, float grad, float& m, float& u) const {
    m = fade(beta1, m) + rest1 * grad;
    const float size = grad < 0 ? -grad : grad, decayed = fade(beta2, u);
    u = decayed > size ? decayed : size;
    param = param - rate * m / (u + eps);
  }
};

struct Adadelta {
  float lr, rho, rest, eps;
  static Adadelta of(double lr, double rho, double eps) { return rounded<Adadelta>(lr, rho, 1 - rho, eps); }
  void operator()(float& param, float grad, float& s, float& delta) const {
    s = fade(rho, s) + rest * (grad * grad);
    const float step = sqrt(delta + eps) / sqrt(s + eps) * grad;
    delta = fade(rho, delta) + rest * (step * step);
    param = param - lr * step;
  }
};

struct Lion {
  float lr, keep, beta1, rest1, beta2, rest2;
  static Lion of(double lr, double beta1, double beta2, double weight_decay) {
    return rounded<Lion>(lr, 1 - lr * weight_decay, beta1, 1 - beta1, beta2, 1 - beta2);
  }
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

// For lr > 0: a step of rate 0 is left out.
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

// The scalars of each form, and which form is used.
struct FtrlStep {
  static constexpr float kSquareRoot = 0, kOne = 1, kPower = 2;
  float lr, l1, twice_l2, twice_shrinkage, exponent, form;
  static FtrlStep of(double lr, double lr_power, double l1, double l2, double l2_shrinkage, double beta) {
    const float form = lr_power == -0.5 ? kSquareRoot : lr_power == 0 ? kOne : kPower;
    return rounded<FtrlStep>(lr, l1, 2 * l2 + beta / lr, 2 * l2_shrinkage, -lr_power, form);
  }
};

struct AdagradDa {
  float lr, l1_by_now, l2_by_now;
  static AdagradDa of(double lr, double l1, double l2, double step) {
    return rounded<AdagradDa>(lr, l1 * step, l2 * step * lr);
  }
  void operator()(float& param, float grad, float& gradient_sum, float& accumulator) const {
    gradient_sum = gradient_sum + grad;
    accumulator = accumulator + grad * grad;
    const float pull = gradient_sum > 0 ? l1_by_now - gradient_sum : -l1_by_now - gradient_sum;
    const float size = gradient_sum < 0 ? -gradient_sum : gradient_sum;
    param = size > l1_by_now ? lr * pull / (sqrt(accumulator) + l2_by_now) : 0.0f;
  }
};

// Before its variance is known, root is 0 and floor 1, so that the update is momentum's.
struct RAdam {
  float rate, root, beta1, rest1, beta2, rest2, floor;
  static RAdam of(double lr, double beta1, double beta2, double eps, double step) {
    const double most = 2 / (1 - beta2) - 1, decayed = __builtin_pow(beta2, step);
    const double length = most - 2 * step * decayed / (1 - decayed), rate = rate_of(lr, beta1, step);
    if (!(length > 5)) return rounded<RAdam>(rate, 0, beta1, 1 - beta1, beta2, 1 - beta2, 1);
    const double known =
        __builtin_sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length));
    return rounded<RAdam>(rate * known * __builtin_sqrt(1 - decayed), 1, beta1, 1 - beta1, beta2, 1 - beta2,
                          eps);
  }
  void operator()(float& param, float grad, float& m, float& v) const {
    m = fade(beta1, m) + rest1 * grad;
    v = fade(beta2, v) + rest2 * (grad * grad);
    param = param - rate * m / (sqrt(v) * root + floor);
  }
};

// lr includes the trust ratio.
struct Lars {
  float lr, momentum, weight_decay;
  static Lars of(double lr, double momentum, double weight_decay) {
    return rounded<Lars>(lr, momentum, weight_decay);
  }
  void operator()(float& param, float grad, float& velocity) const {
    velocity = fade(momentum, velocity) + lr * (grad + weight_decay * param);
    param = param - velocity;
  }
};

// The direction alone: its norm must be known before the step.
struct Lamb {
  float correction, root, beta1, rest1, beta2, rest2, eps, weight_decay;
  static Lamb of(double beta1, double beta2, double eps, double weight_decay, double step) {
    return rounded<Lamb>(rate_of(1, beta1, step), root_of(beta2, step), beta1, 1 - beta1, beta2, 1 - beta2,
                         eps, weight_decay);
  }
  void operator()(float& param, float grad, float& m, float& v, float& direction) const {
    m = fade(beta1, m) + rest1 * grad;
    v = fade(beta2, v) + rest2 * (grad * grad);
    direction = correction * m / (sqrt(v) * root + eps) + weight_decay * param;
  }
};

// grad is the direction, rate the result of adafactor_rate.
struct Adafactor {
  float rate, keep;
  static Adafactor of(double lr, double rate, double weight_decay) {
    return rounded<Adafactor>(rate, 1 - lr * weight_decay);
  }
  void operator()(float& param, float grad) const { param = keep * param - rate * grad; }
};

// param is a decaying mean, grad the next sum of `count` squares.
struct AdafactorMean {
  float keep, take;
  static AdafactorMean of(double beta2_decay, double count, double step) {
    const double rest = __builtin_pow(step, beta2_decay);
    return rounded<AdafactorMean>(1 - rest, rest / count);
  }
  void operator()(float& param, float grad) const { param = fade(keep, param) + take * grad; }
};

// param is the gradient, which becomes the direction; grad its mean square.
struct AdafactorDirection {
  float eps;
  static AdafactorDirection of(double eps) { return rounded<AdafactorDirection>(eps); }
  void operator()(float& param, float grad) const {
    const float root = sqrt(grad);
    param = param / (root < eps ? eps : root);
  }
};

}  // namespace minidnn::MINIDNN_ISA
