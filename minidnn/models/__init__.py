"""Model files: saving, loading, and the registry of the layers that a file can name."""

from minidnn.models.saving import CheckpointError, load, read_meaning, save

__all__ = ["CheckpointError", "load", "read_meaning", "save"]
