"""minidnn: a from-scratch, C++-accelerated deep-learning framework that a reader can hold in the head."""

from minidnn import ops, random
from minidnn.kernels import use_backend
from minidnn.random import Generator, get_rng_state, manual_seed, set_rng_state
from minidnn.tensor import Tensor, no_grad

__version__ = "0.1.0"
