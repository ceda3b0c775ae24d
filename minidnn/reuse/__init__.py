"""Reusing networks: freezing, copying parts, gradual unfreezing, cached outputs, search for the number of layers."""

from minidnn.reuse.caching import CachedDataset, StaleCacheError, cache_frozen
from minidnn.reuse.copying import add_hidden, copy_lower, drop_top, replace_top
from minidnn.reuse.freezing import freeze, unfreeze
from minidnn.reuse.searching import DepthSearch, DepthTrial, search_depth
from minidnn.reuse.unfreezing import GradualUnfreezing

__all__ = [
    "CachedDataset",
    "DepthSearch",
    "DepthTrial",
    "GradualUnfreezing",
    "StaleCacheError",
    "add_hidden",
    "cache_frozen",
    "copy_lower",
    "drop_top",
    "freeze",
    "replace_top",
    "search_depth",
    "unfreeze",
]
