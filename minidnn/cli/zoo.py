"""``minidnn zoo``: lists, shows and manages models with their cards."""

from __future__ import annotations

import argparse
import json
from typing import Any

from minidnn import convert, zoo
from minidnn.cli import types
from minidnn.cli.terminal import shown, shown_lines
from minidnn.data import Meaning
from minidnn.files import atomic_write
from minidnn.models import saving
from minidnn.standard_error import tell


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "zoo",
        help="list, show, add, get, export and remove models",
        description="Manages models with their cards: those inside the package, and your own in $MINIDNN_ZOO or the "
        "user data folder. A registry is such a folder on a web server.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    action = actions.add_parser("list", help="list the models, or those whose cards contain all WORDs")
    action.add_argument("words", nargs="*", metavar="WORD", help="a word to search for, such as digits")
    action.add_argument("--registry", metavar="URL", help="list this registry's models (default: the installed ones)")
    action.add_argument("--json", action="store_true", help="print the cards as one JSON document")
    action.set_defaults(run=_list)

    action = actions.add_parser("show", help="show a model's card and layers")
    action.add_argument("name", metavar="NAME")
    action.set_defaults(run=_show)

    action = actions.add_parser("add", help="add a saved model to the zoo")
    action.add_argument("file", type=types.file, metavar="MODEL.safetensors")
    action.add_argument("--name", required=True, help="the name in the zoo")
    action.add_argument("--task", required=True, help="such as 'classification of digits'")
    action.add_argument("--data", required=True, help="what it was trained on")
    action.add_argument("--licence", required=True, help="licence of the weights")
    action.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        type=_metric,
        help="a result, such as test_accuracy=0.98; may be given several times (default: none)",
    )
    action.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="WORD",
        help="a word for zoo list to find it by; may be given several times (default: none)",
    )
    action.add_argument("--description", default="", help="a short description (default: none)")
    action.add_argument("--replace", action="store_true", help="replace the model of that name")
    action.set_defaults(run=_add)

    action = actions.add_parser("get", help="download a model from a registry")
    action.add_argument("name", metavar="NAME")
    action.add_argument("--registry", required=True, metavar="URL")
    action.add_argument("--replace", action="store_true", help="replace the model of that name")
    action.set_defaults(run=_get)

    action = actions.add_parser("export", help="write a model to a .safetensors or .onnx file")
    action.add_argument("name", metavar="NAME")
    action.add_argument("output", type=types.file, metavar="FILE")
    action.set_defaults(run=_export)

    action = actions.add_parser("remove", help="delete one of your own models")
    action.add_argument("name", metavar="NAME")
    action.set_defaults(run=_remove)


def _list(arguments: argparse.Namespace) -> int:
    cards = zoo.search(" ".join(arguments.words), arguments.registry)
    if arguments.json:
        print(json.dumps([vars(card) for card in cards], indent=2))
        return 0
    width = max((len(card.name) for card in cards), default=0)
    for card in cards:
        metrics = ", ".join(f"{name} {value:g}" for name, value in card.metrics.items())
        print(shown(f"{card.name:{width}}  {card.architecture}  {metrics}"))
    if not cards:
        tell("no models" + (f" with {' and '.join(arguments.words)}" if arguments.words else ""))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    print(shown_lines(zoo.card(arguments.name)))
    print(shown(f"{'file':12}  {zoo.path(arguments.name)}"))
    print(shown_lines(zoo.load(arguments.name)))
    return 0


def _add(arguments: argparse.Namespace) -> int:
    fields = ("name", "task", "data", "licence", "description")
    card = {field: getattr(arguments, field) for field in fields}
    card |= {"metrics": dict(arguments.metric), "tags": arguments.tag}
    content = saving.contents(arguments.file)
    meaning = saving.meaning_in(content)
    added = zoo.add(saving.loaded(content), card, arguments.replace, meaning if meaning != Meaning() else None)
    print(shown(f"added {added.name}: {added.architecture}"))
    return 0


def _get(arguments: argparse.Namespace) -> int:
    card = zoo.get(arguments.name, arguments.registry, arguments.replace)
    print(shown(f"got {card.name}: {card.architecture}"))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    suffix = arguments.output.suffix.lower()
    if suffix == ".safetensors":
        atomic_write(arguments.output, zoo.path(arguments.name).read_bytes())
    elif suffix == ".onnx":
        convert.to_onnx(zoo.load(arguments.name), arguments.output)
    else:
        raise ValueError(f"{arguments.output} must end in .safetensors or .onnx")
    print(f"saved {shown(arguments.output)}")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    print(f"removed {shown(zoo.remove(arguments.name).name)}")
    return 0


def _metric(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be like test_accuracy=0.98, got {text!r}") from None
