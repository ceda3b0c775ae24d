// One struct an optimizer: the update of one parameter. minidnn/reference/optim.py holds the same lines in
// NumPy.
#pragma once
#include "kernels/map.hpp"

namespace minidnn::MINIDNN_ISA {

struct Sgd {
  float lr;
  void operator()(float& param, float grad) const { param = param - lr * grad; }
};

struct Momentum {
  float lr, momentum;
  void operator()(float& param, float grad, float& velocity) const {
    velocity = momentum * velocity + grad;
    param = param - lr * velocity;
  }
};

struct Nesterov {
  float lr, momentum;
  void operator()(float& param, float grad, float& velocity) const {
    velocity = momentum * velocity + grad;
    param = param - lr * (grad + momentum * velocity);
  }
};

}  // namespace minidnn::MINIDNN_ISA
