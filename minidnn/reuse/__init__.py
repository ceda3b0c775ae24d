"""Saving, loading and reusing models."""

from minidnn.reuse import auxiliary
from minidnn.reuse.checkpoints import CheckpointError, load, save

__all__ = ["CheckpointError", "auxiliary", "load", "save"]
