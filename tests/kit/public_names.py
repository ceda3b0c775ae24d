"""What is public: names, and the parameters of what can be called (docs/releases.md)."""

import inspect
import json
import re
from pathlib import Path

import minidnn

RECORD = Path(__file__).parent / "public_names.json"
MODULES = (
    "", "convert", "data", "data.augment", "deploy", "models", "nn", "nn.functions", "nn.initializers", "ops", "optim",
    "pretraining", "pretraining.auxiliary", "reuse", "sklearn", "training", "zoo",
)  # fmt: skip


def found():
    """``module.name`` -> parameters, or what kind of thing it is."""
    names = {}
    for path in MODULES:
        module = minidnn
        for part in filter(None, path.split(".")):
            module = getattr(module, part)
        public = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
        for name in sorted(public):
            value = getattr(module, name)
            if callable(value) and (getattr(value, "__module__", "") or "").startswith("minidnn"):
                names[f"{path}.{name}".lstrip(".")] = parameters(value)
            elif name in (getattr(module, "__all__", None) or ()):
                names[f"{path}.{name}".lstrip(".")] = "module" if inspect.ismodule(value) else type(value).__name__
    return names


def parameters(value):
    """Names and defaults, without annotations, in order."""
    try:
        signature = inspect.signature(value)
    except ValueError:
        return "(...)"
    parts = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    text = str(signature.replace(parameters=parts, return_annotation=inspect.Signature.empty))
    return re.sub(r"<(?:function|class) '?([\w.]+)'?(?: at 0x\w+)?>", r"\1", text)


def as_text(names):
    return json.dumps(names, indent=1) + "\n"
