"""Reusing networks: saving and loading, freezing, parts of old networks, the model zoo, models of other libraries."""

from minidnn.reuse import auxiliary, converters, zoo
from minidnn.reuse.caching import CachedDataset, StaleCacheError, cache_frozen
from minidnn.reuse.checkpoints import CheckpointError, load, read_meaning, save
from minidnn.reuse.copying import add_hidden, copy_lower, drop_top, replace_top
from minidnn.reuse.freezing import freeze, unfreeze
from minidnn.reuse.searching import DepthSearch, DepthTrial, search_depth
from minidnn.reuse.unfreezing import GradualUnfreezing

__all__ = [
    "CachedDataset",
    "CheckpointError",
    "DepthSearch",
    "DepthTrial",
    "GradualUnfreezing",
    "StaleCacheError",
    "add_hidden",
    "auxiliary",
    "cache_frozen",
    "converters",
    "copy_lower",
    "drop_top",
    "freeze",
    "load",
    "read_meaning",
    "replace_top",
    "save",
    "search_depth",
    "unfreeze",
    "zoo",
]
