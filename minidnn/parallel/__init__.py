"""One training run over several processes on one or more machines; the result does not depend on their number."""

from minidnn.parallel.tree import Tree
from minidnn.parallel.worlds import World, world

__all__ = ["Tree", "World", "world"]
