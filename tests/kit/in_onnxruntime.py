"""What onnxruntime makes of an exported model."""

import pytest

from minidnn import nn


class Calls(nn.Module):
    """A layer of somebody's own."""

    def __init__(self, function):
        self.function = function

    def forward(self, x):
        return self.function(x)


def run(proto, x):
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # hundreds of sessions: each would begin threads, and wait for them at its end
    session = runtime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})
