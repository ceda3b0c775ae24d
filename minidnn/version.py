"""The version; defined only here (docs/releases.md)."""

__version__ = "0.2.0"
