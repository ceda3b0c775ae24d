"""Steps to capture, and the state after them."""

import numpy as np

import minidnn
from minidnn import nn, optim, training

RNG = np.random.default_rng(5)
BATCHES = [(RNG.standard_normal((6, 8)).astype(np.float32), RNG.integers(0, 4, 6)) for _ in range(5)]


def cross_entropy(output, x, y):
    return nn.softmax_cross_entropy(output, y)


def everything(model, optimizer):
    """Everything that a step changes, as bytes, and the state of the generator."""
    state = {**model.state_dict(), **optimizer.state_dict()}
    grads = [param.grad for param in model.parameters()]
    return [np.asarray(value).tobytes() for value in [*state.values(), *grads]], minidnn.get_rng_state()


def run(build, make_optimizer=lambda params: optim.SGD(params, 0.1), loss=cross_entropy, captured=True, strict=True):
    """The losses of some steps, and everything that they changed."""
    minidnn.manual_seed(7)
    model = build()
    optimizer = make_optimizer(model.parameters())

    def step(x, y):
        optimizer.zero_grad()
        value = loss(model(x), x, y) + model.regularization_loss()
        value.backward()
        optimizer.step()
        return value

    step = training.Captured(step, strict=strict) if captured else step
    losses = [step(x, y).item() for x, y in BATCHES]
    return losses, everything(model, optimizer)


def dense():
    return nn.Sequential(nn.Dense(8, 5, "relu"), nn.Dense(5, 4))


def step_of(model, optimizer):
    """A training step on the cross-entropy."""

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.softmax_cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def trained(model):
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    return model, optimizer, step_of(model, optimizer)


def simple(strict=True):
    minidnn.manual_seed(1)
    model = dense()
    return trained(model)
