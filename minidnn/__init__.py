"""minidnn: a from-scratch, C++-accelerated deep-learning framework that a reader can hold in the head."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from minidnn import config, data, nn, ops, optim, random, schedules
from minidnn.config import get_num_threads, set_num_threads, show_config
from minidnn.kernels import use_backend
from minidnn.random import Generator, get_rng_state, manual_seed, set_rng_state
from minidnn.recording import no_grad
from minidnn.tensor import Tensor

if TYPE_CHECKING:  # what `__getattr__` loads, for type checkers and editors
    from minidnn import (
        convert,
        deploy,
        learn,
        models,
        parallel,
        playground,
        plot,
        pretraining,
        recipes,
        reuse,
        training,
        zoo,
    )
    from minidnn.explaining import explain
    from minidnn.gradients import gradcheck
    from minidnn.models.saving import load, save

__version__ = "0.2.0"

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
    "training",
    "use_backend",
    "zoo",
]

config.apply_environment()

# Imported when first used, so that `import minidnn` stays quick: name -> (module, attribute or "" for the module).
_LAZY = {
    "convert": ("minidnn.convert", ""),
    "deploy": ("minidnn.deploy", ""),
    "explain": ("minidnn.explaining", "explain"),
    "gradcheck": ("minidnn.gradients", "gradcheck"),
    "learn": ("minidnn.learn", ""),
    "load": ("minidnn.models.saving", "load"),
    "models": ("minidnn.models", ""),
    "parallel": ("minidnn.parallel", ""),
    "playground": ("minidnn.playground", ""),
    "plot": ("minidnn.plot", ""),
    "pretraining": ("minidnn.pretraining", ""),
    "recipes": ("minidnn.recipes", ""),
    "reuse": ("minidnn.reuse", ""),
    "save": ("minidnn.models.saving", "save"),
    "training": ("minidnn.training", ""),
    "zoo": ("minidnn.zoo", ""),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'minidnn' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    value = import_module(module)
    return getattr(value, attribute) if attribute else value


def __dir__() -> list[str]:
    return sorted([*__all__, "__all__", "__doc__", "__file__", "__name__", "__path__", "__version__"])
