"""Bytes for the page."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np


def as_base64(values: Any) -> str:
    """Numbers in [0, 256) as bytes in base64, cut to whole numbers."""
    return base64.b64encode(np.asarray(values).astype(np.uint8).tobytes()).decode()
