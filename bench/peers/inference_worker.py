"""Inference by one framework in its own process: lines of JSON in, lines of JSON out.

{"load": file, "layers": n}  builds the network from w0, b0, w1, ... of a file; the answer is its outputs on the x there
{"seconds": s}               the answer is the median microseconds of a call, over at least s seconds
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

Layers = list[tuple[np.ndarray, np.ndarray]]


def minidnn_model(layers: Layers):
    from minidnn import nn

    model = nn.Sequential(
        *(nn.Dense(*w.shape, "relu" if i + 1 < len(layers) else None) for i, (w, _) in enumerate(layers))
    )
    for part, (w, b) in zip(model, layers, strict=True):
        part.kernel.data[...], part.bias.data[...] = w, b
    return model.eval()


def minidnn_run(name: str, layers: Layers, x: np.ndarray, threads: int) -> Callable[[], Any]:
    from minidnn import deploy, no_grad

    model = minidnn_model(layers)
    if name == "minidnn eager":

        def eager():
            with no_grad():
                return model(x).data

        return eager
    kind = name.removeprefix("minidnn").strip()
    dtype = kind if kind in ("bfloat16", "int8") else "float32"
    calibration, sparse = x if dtype == "int8" else None, False if kind == "dense" else "auto"
    compiled = deploy.compile(model, dtype=dtype, sparse=sparse, calibration=calibration, batch_size=len(x))
    return lambda: compiled.predict(x)


def onnxruntime_run(name: str, layers: Layers, x: np.ndarray, threads: int) -> Callable[[], Any]:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, last = [], [], "x"
    for i, (w, b) in enumerate(layers):
        constants += [numpy_helper.from_array(w, f"w{i}"), numpy_helper.from_array(b, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [last, f"w{i}", f"b{i}"], [f"z{i}"]))
        last = f"z{i}"
        if i + 1 < len(layers):
            nodes.append(helper.make_node("Relu", [last], [f"a{i}"]))
            last = f"a{i}"
    value = lambda name, width: helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])  # noqa: E731
    graph = helper.make_graph(nodes, "g", [value("x", x.shape[1])], [value(last, layers[-1][1].size)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})[0]


def torch_run(name: str, layers: Layers, x: np.ndarray, threads: int) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(threads)
    parts: list[torch.nn.Module] = []
    for w, b in layers:
        linear = torch.nn.Linear(*w.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T)), linear.bias.copy_(torch.from_numpy(b))
        parts += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*parts[:-1]).eval()
    if name == "torch compile":
        model = torch.compile(model)
    inputs = torch.from_numpy(x)

    def run():
        with torch.inference_mode():
            return model(inputs).numpy()

    return run


def scipy_run(name: str, layers: Layers, x: np.ndarray, threads: int) -> Callable[[], Any]:
    from scipy import sparse

    rows = [(sparse.csr_array(w.T), b) for w, b in layers]

    def run():
        y = np.ascontiguousarray(x.T)
        for i, (w, b) in enumerate(rows):
            y = w @ y
            y += b[:, None]
            if i + 1 < len(rows):
                np.maximum(y, 0, out=y)
        return y.T

    def single():
        y = x[0]
        for i, (w, b) in enumerate(rows):
            y = w @ y
            y += b
            if i + 1 < len(rows):
                np.maximum(y, 0, out=y)
        return y[None]

    return single if len(x) == 1 else run


RUNS = {"minidnn": minidnn_run, "onnxruntime": onnxruntime_run, "torch": torch_run, "scipy.sparse": scipy_run}


def load(name: str, threads: int, path: str, count: int) -> Callable[[], Any]:
    with np.load(path) as arrays:
        layers = [(arrays[f"w{i}"], arrays[f"b{i}"]) for i in range(count)]
        x = arrays["x"]
    assert all(a.shape[1] == b.shape[0] for (a, _), (b, _) in pairwise(layers))
    return RUNS[name.split()[0]](name, layers, x, threads)


def timed(run: Callable[[], Any], seconds: float) -> float:
    calls: list[float] = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end or len(calls) < 5:
        run()
        calls.append(time.perf_counter() - start)
    return statistics.median(calls) * 1e6


def main() -> None:
    from .worker import serve

    name, threads = sys.argv[1], int(sys.argv[2])
    current: list[Callable[[], Any]] = []

    def answer(request: dict[str, Any]) -> object:
        if "load" in request:
            current[:] = [load(name, threads, request["load"], request["layers"])]
            return np.asarray(current[0]()).tolist()
        return timed(current[0], request["seconds"])

    serve(answer)


if __name__ == "__main__":
    main()
