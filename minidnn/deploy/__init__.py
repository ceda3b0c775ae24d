"""After training: models made sparse."""

from minidnn.deploy.prune import LayerSparsity, Sparsity, density, prune, sparsity

__all__ = ["LayerSparsity", "Sparsity", "density", "prune", "sparsity"]
