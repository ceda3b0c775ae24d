"""JAX's step: one jit with donated buffers."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from .workloads import Workload


def network(workload: Workload):
    """The initial state, the step (not yet compiled), and the network's forward function."""
    depth = len(workload.sizes) - 1
    activation = jax.nn.elu if workload.activation == "elu" else jax.nn.relu
    arrays, layers = workload.parameters(), []
    for i in range(depth):
        width = 4 if workload.batch_norm and i + 1 < depth else 2
        layers.append([jnp.asarray(array) for array in arrays[:width]])
        arrays = arrays[width:]

    def forward(params, x, key=None):
        penalty = 0.0
        for i, (kernel, bias, *norm) in enumerate(params):
            if workload.dropout:
                key, mask = jax.random.split(key)
                kept = jax.random.bernoulli(mask, 1 - workload.dropout, x.shape)
                x = jnp.where(kept, x / (1 - workload.dropout), 0)
            x = x @ kernel + bias
            penalty += workload.l1 * jnp.abs(kernel).sum() if workload.l1 else 0.0
            if norm:
                x = (x - x.mean(0)) * jax.lax.rsqrt(x.var(0) + 1e-3) * norm[0] + norm[1]
            x = activation(x) if i + 1 < depth else x
        return x, penalty

    def loss_of(params, x, y, key):
        logits, penalty = forward(params, x, key)
        log_probabilities = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(log_probabilities, y[:, None], 1).mean() + penalty

    def update(params, slots, grads, t):
        each = jax.tree.map
        rate = workload.rate * (0.1 ** ((t - 1) / workload.decay_steps) if workload.decay_steps else 1)
        if workload.optimizer == "sgd":
            return each(lambda p, g: p - rate * g, params, grads), slots
        if workload.optimizer == "momentum":
            slots = each(lambda v, g: 0.9 * v + g, slots, grads)
            return each(lambda p, v: p - rate * v, params, slots), slots
        m = each(lambda m, g: 0.9 * m + 0.1 * g, slots[0], grads)
        v = each(lambda v, g: 0.999 * v + 0.001 * g * g, slots[1], grads)
        rate, root = 0.001 / (1 - 0.9**t), 1 / jnp.sqrt(1 - 0.999**t)
        return each(lambda p, m, v: p - rate * m / (jnp.sqrt(v) * root + 1e-8), params, m, v), (m, v)

    def step(state, x, y):
        params, slots, t, key = state
        key, used = jax.random.split(key)
        loss, grads = jax.value_and_grad(loss_of)(params, x, y, used)
        params, slots = update(params, slots, grads, t + 1)
        return (params, slots, t + 1, key), loss

    zeros = lambda: jax.tree.map(jnp.zeros_like, layers)  # noqa: E731
    slots = (zeros(), zeros()) if workload.optimizer == "adam" else zeros()
    return (layers, slots, jnp.float32(0), jax.random.PRNGKey(0)), step, lambda params, x: forward(params, x)[0]


def build(workload: Workload):
    state, step, _ = network(workload)
    x, y = (jnp.asarray(array) for array in workload.batch_of())
    compiled = jax.jit(step, donate_argnums=(0,))
    held = [state]

    def run():
        held[0], loss = compiled(held[0], x, y)
        return jax.block_until_ready(loss)

    return run, lambda: jax.tree.leaves(held[0][0])
