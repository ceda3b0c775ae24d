"""TensorFlow's step: one tf.function, with XLA and without."""

from __future__ import annotations

import tensorflow as tf

from .workloads import Workload


def build(workload: Workload, xla: bool):
    depth = len(workload.sizes) - 1
    activation = tf.nn.elu if workload.activation == "elu" else tf.nn.relu
    arrays = [tf.Variable(array) for array in workload.parameters()]
    layers, rest = [], list(arrays)
    for i in range(depth):
        width = 4 if workload.batch_norm and i + 1 < depth else 2
        layers.append(rest[:width])
        rest = rest[width:]
    slots = [tf.Variable(tf.zeros_like(array)) for array in arrays * (2 if workload.optimizer == "adam" else 1)]
    t = tf.Variable(0.0)
    x, y = (tf.constant(array) for array in workload.batch_of())

    def loss_of(x, y):
        penalty = 0.0
        for i, (kernel, bias, *norm) in enumerate(layers):
            if workload.dropout:
                x = tf.nn.dropout(x, workload.dropout)
            x = x @ kernel + bias
            if workload.l1:
                penalty += workload.l1 * tf.reduce_sum(tf.abs(kernel))
            if norm:
                mean, variance = tf.nn.moments(x, 0)
                x = tf.nn.batch_normalization(x, mean, variance, norm[1], norm[0], 1e-3)
            x = activation(x) if i + 1 < depth else x
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, x)) + penalty

    @tf.function(jit_compile=xla)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(x, y)
        t.assign_add(1.0)
        for i, (variable, grad) in enumerate(zip(arrays, tape.gradient(loss, arrays), strict=True)):
            if workload.optimizer == "sgd":
                variable.assign_sub(0.01 * grad)
            elif workload.optimizer == "momentum":
                slots[i].assign(0.9 * slots[i] + grad)
                variable.assign_sub(0.01 * slots[i])
            else:
                m, v = slots[i], slots[len(arrays) + i]
                m.assign(0.9 * m + 0.1 * grad)
                v.assign(0.999 * v + 0.001 * grad * grad)
                rate, root = 0.001 / (1 - 0.9**t), tf.math.rsqrt(1 - 0.999**t)
                variable.assign_sub(rate * m / (tf.sqrt(v) * root + 1e-8))
        return loss

    return (lambda: step(x, y).numpy()), lambda: [variable.numpy() for variable in arrays]
