"""Encoding of numbers for the page."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np


def as_base64(values: Any) -> str:
    """Numbers in [0, 256), truncated to bytes, in base64."""
    return base64.b64encode(np.asarray(values).astype(np.uint8).tobytes()).decode()
