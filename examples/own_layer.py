"""A layer of your own, made of ops: trained, saved, loaded, compiled, exported, and run by onnxruntime."""

import tempfile
from pathlib import Path

import numpy as np

import minidnn
from minidnn import Tensor, convert, data, deploy, nn, ops, optim, training


@nn.register
class Gated(nn.Module):
    """y = [x * scale, sigmoid(z)], concatenated; z = (x - center) @ w, with dropout at ``rate`` during training."""

    def __init__(self, n_in, n_out, rate=0.2, name=None):
        self.n_in, self.n_out, self.rate, self.name = n_in, n_out, rate, name
        self.w = nn.Parameter(minidnn.Generator(1).normal((n_in, n_out), std=n_in**-0.5))
        self.scale = nn.Parameter(np.ones(n_in, np.float32))
        self.center = Tensor(np.zeros(n_in, np.float32))  # a buffer: saved, not trained

    def adapt(self, x):
        self.center.data[...] = x.mean(axis=0)
        return self

    def forward(self, x):
        z = ops.dropout(ops.matmul(x - self.center, self.w), self.rate, training=self.learns)
        return ops.concatenate([x * self.scale, ops.sigmoid(z)], axis=1)


def main(folder, epochs=15):
    digits = data.load_digits_sample()
    minidnn.manual_seed(0)
    shared = nn.Dense(32, 32, "relu")
    first = Gated(64, 32, name="gated").adapt(digits.train.x)
    model = nn.Sequential(first, nn.Dense(96, 32, "relu"), shared, shared, nn.Dense(32, 10))
    optimizer = optim.Adam(model.parameters(), 0.003)
    training.fit(model, digits.train, optimizer=optimizer, epochs=epochs, batch_size=50, progress=False)
    x, y = digits.test.x[:200], digits.test.y[:200]
    found = {"trained": training.predict(model.eval(), x)}

    minidnn.save(model, folder / "model.safetensors")
    found["loaded"] = training.predict(minidnn.load(folder / "model.safetensors"), x)
    deploy.compile(model).save(folder / "model.mdnn")
    found["compiled"] = deploy.InferenceModel.load(folder / "model.mdnn").predict(x)
    convert.to_onnx(model, folder / "model.onnx")
    try:
        from onnxruntime import InferenceSession
    except ImportError:
        return found, y
    session = InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    found["onnxruntime"] = session.run(None, {"x": x})[0]
    return found, y


if __name__ == "__main__":
    outputs, labels = main(Path(tempfile.mkdtemp()))
    for way, scores in outputs.items():
        apart = np.abs(scores - outputs["trained"]).max()
        print(f"{way:<12} {np.mean(scores.argmax(axis=1) == labels):.1%} correct, differs by at most {apart:.1g}")
