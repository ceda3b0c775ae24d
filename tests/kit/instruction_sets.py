"""The instruction sets that a test runs on: each of this machine, or the one that ``MINIDNN_ISA`` chooses.

A run of the suite with ``MINIDNN_ISA`` would otherwise repeat what the run without it has tested.
"""

import os

from minidnn import kernels

ISAS = [chosen] if (chosen := os.environ.get("MINIDNN_ISA")) else kernels.usable_isas()
