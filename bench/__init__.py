"""Micro-benchmarks: `python -m bench` from the checkout's root; see README.md here."""

import sys
from pathlib import Path

# In the checkout, Python would import the folder minidnn/, which has no compiled kernels, in place of the installed
# package.
_ROOT = Path(__file__).resolve().parent.parent
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _ROOT]
