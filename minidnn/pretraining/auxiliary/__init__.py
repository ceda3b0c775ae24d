"""Pretraining on an auxiliary task: one for which labels are plenty, or can be made, and whose lower layers are of use.

A data set to train on, a network with two towers or one, a loss; then the tower's layers begin another network.
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
