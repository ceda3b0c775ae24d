"""Saving and loading models, the model zoo, models of other libraries."""

from minidnn.reuse import converters, zoo
from minidnn.reuse.checkpoints import CheckpointError, load, save

__all__ = ["CheckpointError", "converters", "load", "save", "zoo"]
