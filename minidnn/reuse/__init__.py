"""Saving and loading models."""

from minidnn.reuse.checkpoints import CheckpointError, load, save

__all__ = ["CheckpointError", "load", "save"]
