"""PyTorch's step: eager with a fused optimizer, and compiled as a whole by torch.compile."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from .workloads import Workload


def network(workload: Workload):
    """The model, its optimizer, and a step on a batch."""
    layers: list[nn.Module] = []
    pairs = list(pairwise(workload.sizes))
    for i, (n_in, n_out) in enumerate(pairs):
        if workload.dropout:
            layers.append(nn.Dropout(workload.dropout))
        layers.append(nn.Linear(n_in, n_out))
        if i + 1 < len(pairs):
            if workload.batch_norm:
                layers.append(nn.BatchNorm1d(n_out, eps=1e-3))
            layers.append(nn.ELU() if workload.activation == "elu" else nn.ReLU())
    model = nn.Sequential(*layers)
    values = workload.parameters()
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), values, strict=True):
            parameter.copy_(torch.from_numpy(value.T if value.ndim == 2 else value))
    kernels = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    rate = torch.tensor(workload.rate) if workload.decay_steps else workload.rate
    optimizer = {
        "sgd": lambda params: torch.optim.SGD(params, rate, fused=True),
        "momentum": lambda params: torch.optim.SGD(params, rate, momentum=0.9, fused=True),
        "adam": lambda params: torch.optim.Adam(params, 0.001, fused=True),
    }[workload.optimizer](model.parameters())

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        if workload.l1:
            loss = loss + workload.l1 * sum(kernel.abs().sum() for kernel in kernels)
        loss.backward()
        optimizer.step()
        if workload.decay_steps:
            rate.mul_(0.1 ** (1 / workload.decay_steps))
        return loss

    return model, optimizer, step


def build(workload: Workload, compiled: bool):
    model, _, step = network(workload)
    x, y = (torch.from_numpy(array) for array in workload.batch_of())
    step = torch.compile(step) if compiled else step
    read = lambda: [p.detach().numpy().T if p.ndim == 2 else p.detach().numpy() for p in model.parameters()]  # noqa: E731
    return (lambda: step(x, y)), read
