"""The same program on the compiled and on the reference backend."""

import subprocess
import sys
import threading

import numpy as np
import pytest

import minidnn
from minidnn import Tensor, kernels, nn, optim


def run(code, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=120, env=os.environ | environment
    )


HIDE = "import sys; sys.modules['minidnn._core'] = sys.modules['minidnn.pipeline._pipeline'] = None\n"

PROGRAM = """
import numpy as np, minidnn
from minidnn import data, nn, optim, training
minidnn.manual_seed(1)
model = nn.Sequential(nn.Dense(784, 20, "elu"), nn.Dropout(0.2), nn.Dense(20, 10))
train = data.load_mnist().train[:600]
optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True)
history = training.fit(model, train, optimizer=optimizer, epochs=2, batch_size=50, progress=False)
print(minidnn.kernels.backend(), minidnn.kernels.isa(), history["loss"][0] > history["loss"][1])
"""


def test_without_the_compiled_kernels_the_reference_runs_everything():
    done = run(HIDE + PROGRAM, MINIDNN_BACKEND="reference")
    assert done.stdout == "reference none True\n", done.stderr


@pytest.mark.parametrize("module", ["minidnn._core", "minidnn.pipeline._pipeline"])
def test_without_the_compiled_kernels_the_error_says_how(module):
    done = run(f"import sys; sys.modules[{module!r}] = None\nimport minidnn.data", MINIDNN_BACKEND="compiled")
    assert done.returncode == 1 and "To run on the NumPy reference" in done.stderr
    assert "MINIDNN_BACKEND=reference" in done.stderr and "pip install ." in done.stderr


def test_an_unknown_backend_is_refused():
    message = "MINIDNN_BACKEND is 'gpu', must be 'compiled' or 'reference'"
    assert message in run("import minidnn", MINIDNN_BACKEND="gpu").stderr
    with pytest.raises(ValueError, match="'compiled' or 'reference', got 'cuda'"), minidnn.use_backend("cuda"):
        pass


def test_compiled_where_it_is_not_installed_is_an_error():
    code = HIDE + "import minidnn\nwith minidnn.use_backend('compiled'): pass"
    assert (
        "RuntimeError: use_backend: the compiled kernels are not installed"
        in run(code, MINIDNN_BACKEND="reference").stderr
    )


def test_use_backend_holds_within_the_block_and_in_this_thread():
    before, seen = kernels.backend(), []
    with minidnn.use_backend("reference"):
        thread = threading.Thread(target=lambda: seen.append(kernels.backend()))
        thread.start()
        thread.join()
        assert kernels.backend() == "reference"
    assert kernels.backend() == before and seen == [before]
    with pytest.raises(ZeroDivisionError), minidnn.use_backend("reference"):
        raise ZeroDivisionError
    assert kernels.backend() == before


@pytest.mark.compiled
def test_float64_always_runs_on_the_reference(monkeypatch):
    x = np.linspace(-2, 2, 9)
    assert kernels.elu(x, 1.0).dtype == np.float64
    assert kernels.elu(x, 1.0).tobytes() == minidnn.reference.elu(x, 1.0).tobytes()


def test_the_same_program_gives_the_same_numbers_on_both():
    def train():
        minidnn.manual_seed(5)
        model = nn.Sequential(nn.Dense(20, 30, "relu"), nn.Dropout(0.5), nn.Dense(30, 4))
        optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
        x = minidnn.Generator(1).normal((16, 20))
        for _ in range(5):
            optimizer.zero_grad()
            nn.softmax_cross_entropy(model(x), np.arange(16) % 4).backward()
            optimizer.step()
        return model.state_dict()

    compiled = train()
    with minidnn.use_backend("reference"):
        reference = train()
    for name, array in compiled.items():
        assert np.allclose(array, reference[name], atol=1e-5), name


def test_float64_models_train():
    x, w = Tensor(np.ones((2, 3))), Tensor(np.ones((3, 2)), requires_grad=True)
    optimizer = optim.SGD([w], 0.5)
    (x @ w).sum().backward()
    optimizer.step()
    assert w.dtype == np.float64 and np.all(w.data == 0.0)
