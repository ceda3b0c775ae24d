"""``minidnn predict``: the predictions of a model for examples in files."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from minidnn.cli import types
from minidnn.cli.examples import Reader
from minidnn.cli.models import Model, open_model
from minidnn.cli.terminal import shown


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "predict",
        help="predict with a trained or compiled model",
        description="Prints the predicted class of each example with its probability, or for regression the number in "
        "the label's unit. Files are tables (.csv, with the columns of the training table; the label may be missing), "
        "pictures (PNG, JPEG, BMP, GIF, PPM, TIFF, WebP), folders of pictures, IDX (gzipped or not) or .npy.",
    )
    parser.add_argument("model", type=types.file, help="a .safetensors or .mdnn file")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="files of examples")
    parser.add_argument(
        "--invert",
        action="store_true",
        help="invert pictures: for dark on light, where the model expects light on dark",
    )
    add_reading(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print CSV instead of text")
    form.add_argument("--json", action="store_true", help="print one JSON list instead of text")
    parser.set_defaults(run=run)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Adds the options for reading tables."""
    parser.add_argument(
        "--ignore",
        action="append",
        type=types.column,
        default=[],
        metavar="COLUMN",
        help="a column of tables to leave out; may be given several times (default: none)",
    )
    parser.add_argument(
        "--unknown",
        choices=("refuse", "zeros"),
        default="refuse",
        help="a category value that the training table did not have is refused, or encoded as zeros",
    )


def run(arguments: argparse.Namespace) -> int:
    model = open_model(arguments.model)
    reader = Reader(model.meaning, model.n_in, arguments.invert, tuple(arguments.ignore), arguments.unknown)
    rows = [row for path, x in reader.read(arguments.files) for row in rows_of(model, path, x)]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    elif arguments.csv:
        _print_table(rows)
    else:
        for row in rows:
            print(_line(row))
    return 0


def rows_of(model: Model, path: Path, x: Any) -> list[dict[str, Any]]:
    """The prediction for each example: class and probability, labels, or values."""
    outputs = model.outputs(x)
    n_out, names = outputs.shape[1], model.meaning.labels
    several = model.meaning.has_several_labels and n_out == len(names)
    rows: list[dict[str, Any]] = [{"file": str(path), "example": i} for i in range(len(x))]
    if several and model.is_classifier:
        for row, of_labels in zip(rows, model.label_probabilities(outputs), strict=True):
            rounded = {name: round(float(p), 6) for name, p in zip(names, of_labels, strict=True)}
            row |= {"labels": [name for name, p in rounded.items() if p > 0.5], "probabilities": rounded}
    elif several:
        for row, y in zip(rows, outputs, strict=True):
            row["values"] = {name: _number(value) for name, value in zip(names, y, strict=True)}
    elif model.is_classifier or (model.meaning.task is None and n_out > 1):
        classes: Any = model.meaning.classes or range(n_out)
        probabilities = model.probabilities(outputs)
        for row, k, p in zip(rows, probabilities.argmax(axis=1), probabilities, strict=True):
            row |= {"class": classes[k], "probability": round(float(p[k]), 6)}
    else:
        for row, y in zip(rows, outputs, strict=True):
            row["value"] = _number(y[0]) if n_out == 1 else [_number(value) for value in y]
    return rows


def _number(value: Any) -> float:
    """The shortest decimal that is the same float32."""
    return float(str(np.float32(value)))


def _print_table(rows: list[dict[str, Any]]) -> None:
    clean = shown if sys.stdout.isatty() else str
    table = csv.writer(sys.stdout, lineterminator="\n")
    for i, row in enumerate(rows):
        of_labels = row.get("probabilities") or row.get("values") or {}
        cells = {name: value for name, value in row.items() if name not in ("labels", "probabilities", "values")}
        if not i:
            table.writerow([clean(name) for name in (*cells, *of_labels)])
        table.writerow([clean(value) for value in (*cells.values(), *of_labels.values())])


def _line(row: dict[str, Any]) -> str:
    where = f"{shown(row['file'])}[{row['example']}]"
    if "class" in row:
        return f"{where}: {shown(row['class'])} ({row['probability']:.1%})"
    if "labels" in row:
        likely = [f"{shown(name)} ({row['probabilities'][name]:.1%})" for name in row["labels"]]
        return f"{where}: {', '.join(likely) or 'no label'}"
    if "values" in row:
        return f"{where}: {', '.join(f'{shown(name)} {value:.7g}' for name, value in row['values'].items())}"
    values = row["value"] if isinstance(row["value"], list) else [row["value"]]
    return f"{where}: {', '.join(f'{value:.7g}' for value in values)}"
