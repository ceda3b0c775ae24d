"""minidnn's step: captured, and eager."""

from __future__ import annotations

from itertools import pairwise

from minidnn import nn, optim, schedules, training

from .workloads import Workload


def network(workload: Workload):
    """The model with the shared initial parameters, and its optimizer."""
    layers: list[nn.Module] = []
    pairs = list(pairwise(workload.sizes))
    for i, (n_in, n_out) in enumerate(pairs):
        hidden = i + 1 < len(pairs)
        fused = workload.activation if hidden and not workload.batch_norm else None
        if workload.dropout:
            layers.append(nn.Dropout(workload.dropout))
        penalty = nn.l1(workload.l1) if workload.l1 else None
        layers.append(nn.Dense(n_in, n_out, fused, kernel_regularizer=penalty))
        if hidden and workload.batch_norm:
            layers += [nn.BatchNorm(n_out, eps=1e-3), nn.ELU() if workload.activation == "elu" else nn.ReLU()]
    model = nn.Sequential(*layers)
    for parameter, value in zip(model.parameters(), workload.parameters(), strict=True):
        parameter.data[...] = value
    rate = schedules.exponential(workload.rate, 0.1, workload.decay_steps) if workload.decay_steps else workload.rate
    optimizer = {
        "sgd": lambda params: optim.SGD(params, rate),
        "momentum": lambda params: optim.SGD(params, rate, momentum=0.9),
        "adam": lambda params: optim.Adam(params, 0.001),
    }[workload.optimizer](model.parameters())
    return model, optimizer


def build(workload: Workload, captured: bool = True):
    model, optimizer = network(workload)
    x, y = workload.batch_of()

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.softmax_cross_entropy(model(x), y)
        if workload.l1:
            loss = loss + model.regularization_loss()
        loss.backward()
        optimizer.step()
        return loss

    run = training.Captured(step, strict=True) if captured else step
    return (lambda: run(x, y)), lambda: [parameter.data for parameter in model.parameters()]
