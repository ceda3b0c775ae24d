"""Each framework in its own virtual environment and process, which answers requests in lines of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "torch": "torch==2.13.0",
    "jax": "jax",
    "tensorflow": "tensorflow-cpu",
    "onnxruntime": "onnxruntime onnx",
    "scipy": "scipy",
}


def environment_for(framework: str, folder: Path) -> Path:
    """The Python of the framework's virtual environment, which is created if it is missing."""
    python = folder / framework / "bin" / "python"
    if not python.exists():
        print(f"installing {PACKAGES[framework]} into {folder / framework}", flush=True)
        venv.create(folder / framework, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "numpy", *PACKAGES[framework].split()], check=True)
    return python


class Worker:
    def __init__(self, name: str, python: Path, threads: int, module: str = "bench.peers.worker") -> None:
        self.name = name
        limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        variables = os.environ | dict.fromkeys(limits, str(threads)) | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        if threads == 1:
            variables["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
        # JAX and XLA start one thread for each visible core.
        cores = sorted(os.sched_getaffinity(0))[:threads]
        self.process = subprocess.Popen(
            [python, "-m", module, name, str(threads)],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )

    def ask(self, **request: Any) -> Any:
        """The answer, or None if the worker failed; prints its error."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            reply = json.loads(self.process.stdout.readline() or '{"error": "the process ended"}')
        except BrokenPipeError:
            reply = {"error": "the process ended"}
        if "error" in reply:
            print(f"{self.name}: {reply['error']}", flush=True)
        return reply.get("result")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
