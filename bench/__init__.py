"""Micro-benchmarks: `python -m bench` from the checkout's root; see README.md here."""

import sys
from pathlib import Path

# Started from the checkout, Python would find the folder minidnn/ there, which holds no compiled kernels, before the
# installed package.
_ROOT = Path(__file__).resolve().parent.parent
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _ROOT]
