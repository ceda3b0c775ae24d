"""Unsupervised pretraining: restricted Boltzmann machines, autoencoders, and layer-wise pretraining."""

from minidnn.pretraining.autoencoder import Autoencoder, Reconstruction, Transposed, stack
from minidnn.pretraining.corruption import gaussian_noise, kl_sparsity, masking
from minidnn.pretraining.divergence import ContrastiveDivergence
from minidnn.pretraining.layerwise import Pretrained, pretrain_and_finetune, pretrain_layers
from minidnn.pretraining.objective import train
from minidnn.pretraining.rbm import RBM

__all__ = [
    "RBM",
    "Autoencoder",
    "ContrastiveDivergence",
    "Pretrained",
    "Reconstruction",
    "Transposed",
    "gaussian_noise",
    "kl_sparsity",
    "masking",
    "pretrain_and_finetune",
    "pretrain_layers",
    "stack",
    "train",
]
