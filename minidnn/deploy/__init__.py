"""Models that no longer learn: folded, packed, quick."""

from minidnn.deploy.compiling import compile
from minidnn.deploy.model import InferenceModel
from minidnn.deploy.quantization import Loss

load = InferenceModel.load

__all__ = ["InferenceModel", "Loss", "compile", "load"]
