"""The updates of each optimizer for twelve gradients by the formulas of its paper, in float64."""

import math

import numpy as np

import minidnn
from minidnn import nn, optim, schedules

GRADS = [minidnn.Generator(3, stream).normal((4, 5)) for stream in range(12)]


def run(make, grads=GRADS, dtype=np.float32):
    param = nn.Parameter(np.ones((4, 5), dtype))
    optimizer = make([param])
    for grad in grads:
        param.grad = grad.astype(dtype)
        optimizer.step()
    return param.data


def truth(update):
    """The parameter after the same gradients, by the formula in float64."""
    param, state = np.ones((4, 5)), {}
    for t, grad in enumerate(GRADS):
        param = update(param, grad.astype(np.float64), state, t)
    return param


def polyak(param, grad, state, t):
    state["v"] = 0.9 * state.get("v", 0) + grad
    return param - 0.1 * state["v"]


def nesterov(param, grad, state, t):
    state["v"] = 0.9 * state.get("v", 0) + grad
    return param - 0.1 * (grad + 0.9 * state["v"])


def adagrad(param, grad, state, t):
    state["s"] = state.get("s", 0) + grad**2
    return param - 0.1 * grad / np.sqrt(state["s"] + 1e-10)


def rmsprop(momentum=0.0, centered=False):
    def update(param, grad, state, t):
        state["s"] = 0.9 * state.get("s", 0) + 0.1 * grad**2
        state["mean"] = 0.9 * state.get("mean", 0) + 0.1 * grad
        square = state["s"] - (state["mean"] ** 2 if centered else 0)
        state["mom"] = momentum * state.get("mom", 0) + 0.01 * grad / np.sqrt(square + 1e-4)
        return param - state["mom"]

    return update


def adam(form):
    """Kingma & Ba's Algorithm 1 with its corrected estimates, and its variants."""

    def update(param, grad, state, t):
        t += 1
        m = state["m"] = 0.9 * state.get("m", 0) + 0.1 * grad
        v = state["v"] = 0.999 * state.get("v", 0) + 0.001 * grad**2
        if form == "amsgrad":
            v = state["v_max"] = np.maximum(state.get("v_max", 0), v)
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        if form == "nadam":
            m_hat = 0.9 * m / (1 - 0.9 ** (t + 1)) + 0.1 * grad / (1 - 0.9**t)
        if form == "adamax":
            u = state["u"] = np.maximum(0.999 * state.get("u", 0), np.abs(grad))
            return param - 0.01 * m_hat / (u + 1e-8)
        decay = 0.01 * 0.1 * param if form == "adamw" else 0
        return param - decay - 0.01 * m_hat / (np.sqrt(v_hat) + 1e-8)

    return update


def adadelta(param, grad, state, t):
    s = state["s"] = 0.95 * state.get("s", 0) + 0.05 * grad**2
    step = np.sqrt(state.get("d", 0) + 1e-6) / np.sqrt(s + 1e-6) * grad
    state["d"] = 0.95 * state.get("d", 0) + 0.05 * step**2
    return param - step


def lion(param, grad, state, t):
    m = state.get("m", 0)
    state["m"] = 0.99 * m + 0.01 * grad
    return param - 0.01 * (np.sign(0.9 * m + 0.1 * grad) + 0.1 * param)


def ftrl(lr_power=-0.5, l1=0.0, l2=0.0, shrinkage=0.0, beta=0.0):
    def update(param, grad, state, t):
        n, z = state.get("n", 0.1 * np.ones_like(grad)), state.get("z", 0)
        total = n + grad**2
        sigma = (total**-lr_power - n**-lr_power) / 0.1
        z = state["z"] = z + grad + 2 * shrinkage * param - sigma * param
        state["n"] = total
        quadratic = (total**-lr_power + beta) / 0.1 + 2 * l2
        return np.where(np.abs(z) > l1, (np.sign(z) * l1 - z) / quadratic, 0.0)

    return update


def adagrad_da(l1=0.0, l2=0.0):
    """Duchi et al. 2011, (3) with the composite penalty l1 and l2, by the mean gradient."""

    def update(param, grad, state, t):
        t += 1
        total = state["g"] = state.get("g", 0) + grad
        square = state["s"] = state.get("s", 0.1) + grad**2
        mean = total / t
        return -np.sign(mean) * 0.1 * t * np.maximum(np.abs(mean) - l1, 0) / (np.sqrt(square) + l2 * t * 0.1)

    return update


def radam(param, grad, state, t):
    """Liu et al. 2020, algorithm 2, with PyTorch's threshold and eps."""
    t += 1
    m = state["m"] = 0.9 * state.get("m", 0) + 0.1 * grad
    v = state["v"] = 0.999 * state.get("v", 0) + 0.001 * grad**2
    most = 2 / (1 - 0.999) - 1
    rho = most - 2 * t * 0.999**t / (1 - 0.999**t)
    m_hat = m / (1 - 0.9**t)
    if rho <= 5:
        return param - 0.01 * m_hat
    r = math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
    return param - 0.01 * r * m_hat * math.sqrt(1 - 0.999**t) / (np.sqrt(v) + 1e-8)


def lars(decay):
    """You et al. 2017, algorithm 1."""

    def update(param, grad, state, t):
        norm = np.linalg.norm(param)
        local = 0.01 * norm / (np.linalg.norm(grad) + decay * norm)
        v = state["v"] = 0.9 * state.get("v", 0) + 0.5 * local * (grad + decay * param)
        return param - v

    return update


def lamb(decay):
    """You et al. 2020, algorithm 2, with phi the identity."""

    def update(param, grad, state, t):
        t += 1
        m = state["m"] = 0.9 * state.get("m", 0) + 0.1 * grad
        v = state["v"] = 0.999 * state.get("v", 0) + 0.001 * grad**2
        r = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-6) + decay * param
        return param - 0.01 * np.linalg.norm(param) / np.linalg.norm(r) * r

    return update


def adafactor(lr=0.01, eps=1.2e-7, scale=1e-3, d=1.0, decay=0.0, factored=True, power=-0.8):
    """Shazeer & Stern 2018, algorithms 4 and 5, with PyTorch's clamps."""

    def update(param, grad, state, t):
        t += 1
        rest = t**power
        v = state["v"] = (1 - rest) * state.get("v", 0) + rest * grad**2
        if factored:  # the mean of rows and columns is a mean of squares itself
            rows, columns = v.mean(axis=1, keepdims=True), v.mean(axis=0, keepdims=True)
            v = rows @ columns / rows.mean()
        direction = grad / np.maximum(np.sqrt(v), eps)
        rms = np.sqrt((direction**2).mean())
        rate = min(lr, 1 / math.sqrt(t)) * max(scale, np.sqrt((param**2).mean())) / max(1, rms / d)
        return (1 - lr * decay) * param - rate * direction

    return update


TRAJECTORIES = {
    "plain": (lambda p: optim.SGD(p, 0.1), lambda param, grad, state, t: param - 0.1 * grad),
    "momentum": (lambda p: optim.SGD(p, 0.1, momentum=0.9), polyak),
    "nesterov": (lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True), nesterov),
    "schedule": (
        lambda p: optim.SGD(p, schedules.exponential(0.1, 0.5, 3)),
        lambda param, grad, state, t: param - 0.1 * 0.5 ** (t / 3) * grad,
    ),
    "adagrad": (lambda p: optim.Adagrad(p, 0.1), adagrad),
    "rmsprop": (lambda p: optim.RMSprop(p, 0.01, eps=1e-4), rmsprop()),
    "rmsprop with momentum": (lambda p: optim.RMSprop(p, 0.01, momentum=0.8, eps=1e-4), rmsprop(0.8)),
    "rmsprop centered": (lambda p: optim.RMSprop(p, 0.01, eps=1e-4, centered=True), rmsprop(centered=True)),
    "adam": (lambda p: optim.Adam(p, 0.01), adam("adam")),
    "amsgrad": (lambda p: optim.Adam(p, 0.01, amsgrad=True), adam("amsgrad")),
    "adamw": (lambda p: optim.AdamW(p, 0.01, weight_decay=0.1), adam("adamw")),
    "nadam": (lambda p: optim.NAdam(p, 0.01), adam("nadam")),
    "adamax": (lambda p: optim.Adamax(p, 0.01), adam("adamax")),
    "adadelta": (lambda p: optim.Adadelta(p), adadelta),
    "lion": (lambda p: optim.Lion(p, 0.01, weight_decay=0.1), lion),
    "adagrad da": (lambda p: optim.AdagradDA(p, 0.1), adagrad_da()),
    "adagrad da, all its options": (lambda p: optim.AdagradDA(p, 0.1, l1=0.05, l2=0.3), adagrad_da(0.05, 0.3)),
    "radam": (lambda p: optim.RAdam(p, 0.01), radam),
    "adafactor": (lambda p: optim.Adafactor(p), adafactor()),
    "adafactor, all its options": (
        lambda p: optim.Adafactor(p, 0.1, beta2_decay=-0.7, eps=(1e-3, 2.0), d=1.5, weight_decay=0.1),
        adafactor(0.1, 1e-3, 2.0, 1.5, 0.1, power=-0.7),
    ),
    "lars": (lambda p: optim.LARS(p, 0.5, trust_coefficient=0.01), lars(0.0)),
    "lars with decay": (lambda p: optim.LARS(p, 0.5, trust_coefficient=0.01, weight_decay=0.1), lars(0.1)),
    "lamb": (lambda p: optim.LAMB(p, 0.01), lamb(0.0)),
    "lamb with decay": (lambda p: optim.LAMB(p, 0.01, weight_decay=0.1), lamb(0.1)),
    "ftrl": (lambda p: optim.FTRL(p, 0.1), ftrl()),
    "ftrl, all its options": (
        lambda p: optim.FTRL(p, 0.1, l1=0.5, l2=0.1, l2_shrinkage=0.05, beta=0.3),
        ftrl(l1=0.5, l2=0.1, shrinkage=0.05, beta=0.3),
    ),
    "ftrl, another power": (lambda p: optim.FTRL(p, 0.1, lr_power=-0.7, l1=0.5), ftrl(-0.7, l1=0.5)),
}
