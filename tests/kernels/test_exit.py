"""The interpreter exits cleanly while daemon threads are inside kernels."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.compiled

KERNEL = """
import threading, numpy as np, minidnn
from minidnn import kernels
minidnn.set_num_threads({threads})
x = np.ones((600, 600), np.float32)
started = threading.Event()

def work():
    while True:
        started.set()
        {call}

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
started.wait()
for _ in range(20):
    kernels.exp(x)
"""
CALLS = {
    "product": "kernels.matmul(x, x)",
    "elementwise": "kernels.exp(x)",
    "many products": "[kernels.matmul(x, x) for _ in range(3)]",
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("call", CALLS)
def test_the_interpreter_exits_cleanly(call, threads):
    program = KERNEL.format(call=CALLS[call], threads=threads)
    for _ in range(4):
        done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr == "", (done.returncode, done.stderr[-500:])
