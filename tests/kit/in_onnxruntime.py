"""The outputs of an exported model in onnxruntime."""

import pytest

from minidnn import nn


class Calls(nn.Module):
    """A user-defined layer."""

    def __init__(self, function):
        self.function = function

    def forward(self, x):
        return self.function(x)


def run(proto, x):
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = (
        1  # there are hundreds of sessions: each would start threads, and join them at its end
    )
    session = runtime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})
