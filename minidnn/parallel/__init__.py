"""One training run over several processes, of one machine or of many, with the same bytes whatever their number."""

from minidnn.parallel.tree import Tree
from minidnn.parallel.worlds import World, world

__all__ = ["Tree", "World", "world"]
