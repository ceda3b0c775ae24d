"""minidnn: a from-scratch, C++-accelerated deep-learning framework that is small enough to read."""

from typing import TYPE_CHECKING

from minidnn import config, operators
from minidnn.config import get_num_threads, set_num_threads, show_config
from minidnn.kernels import use_backend
from minidnn.later import later
from minidnn.version import __version__ as __version__

if TYPE_CHECKING:  # for type checkers and editors; at run time these load on first use
    from minidnn import (
        convert,
        data,
        deploy,
        learn,
        models,
        nn,
        ops,
        optim,
        parallel,
        playground,
        plot,
        pretraining,
        random,
        recipes,
        reuse,
        schedules,
        sklearn,
        training,
        zoo,
    )
    from minidnn.explaining import explain
    from minidnn.gradients import gradcheck
    from minidnn.models.saving import load, save
    from minidnn.random import Generator, get_rng_state, manual_seed, set_rng_state
    from minidnn.recording import no_grad
    from minidnn.tensor import Tensor

__all__ = [
    "Generator",
    "Tensor",
    "convert",
    "data",
    "deploy",
    "explain",
    "get_num_threads",
    "get_rng_state",
    "gradcheck",
    "learn",
    "load",
    "manual_seed",
    "models",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "parallel",
    "playground",
    "plot",
    "pretraining",
    "random",
    "recipes",
    "reuse",
    "save",
    "schedules",
    "set_num_threads",
    "set_rng_state",
    "show_config",
    "sklearn",
    "training",
    "use_backend",
    "zoo",
]

config.apply_environment()
operators.use_when_needed("minidnn.ops")

if not TYPE_CHECKING:
    __getattr__, __dir__ = later(
        __name__,
        __all__,
        {
            "minidnn.explaining": "explain",
            "minidnn.gradients": "gradcheck",
            "minidnn.models.saving": "load save",
            "minidnn.random": "Generator get_rng_state manual_seed set_rng_state",
            "minidnn.recording": "no_grad",
            "minidnn.tensor": "Tensor",
        },
        "convert data deploy learn models nn ops optim parallel playground plot pretraining random recipes reuse "
        "schedules sklearn training zoo",
    )
