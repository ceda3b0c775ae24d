"""The version, which stands here alone (docs/releases.md)."""

__version__ = "0.2.0"
