"""Pretraining on an auxiliary task: one with many labels, or generated ones, whose lower layers are reused.

It has data sets, networks with one or two towers, and losses. The layers of the tower then start another network.
"""

from minidnn.pretraining.auxiliary.datasets import GoodBesideBad, GoodOrBad, SameOrDifferent
from minidnn.pretraining.auxiliary.losses import contrastive, margin_ranking
from minidnn.pretraining.auxiliary.towers import Difference, Distance, TwoTower

__all__ = [
    "Difference",
    "Distance",
    "GoodBesideBad",
    "GoodOrBad",
    "SameOrDifferent",
    "TwoTower",
    "contrastive",
    "margin_ranking",
]
