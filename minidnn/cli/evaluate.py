"""``minidnn evaluate``: measures a model on labelled data."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from minidnn.cli import datasets, types
from minidnn.cli.models import open_model
from minidnn.cli.predict import add_reading
from minidnn.cli.scores import scores
from minidnn.cli.terminal import shown, shown_lines


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "evaluate",
        help="measure a trained or compiled model on labelled data",
        description="Prints accuracy and loss, or for regression the errors in the label's unit. The data are read "
        "like the training data: a table by its column names, pictures by the names of their class folders.",
    )
    parser.add_argument("model", type=types.file, help="a .safetensors or .mdnn file")
    parser.add_argument("data", help=f"a .csv table, a folder of pictures, a .npy or IDX file, {datasets.LISTED}")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="labels of a .npy or IDX file (default: none)")
    parser.add_argument(
        "--label",
        type=types.columns,
        metavar="COLUMN",
        help="label column of a table (default: that of the training table)",
    )
    add_reading(parser)
    parser.add_argument(
        "--report",
        action="store_true",
        help="also print precision, recall and F1 of each class and the confusion matrix; needs scikit-learn",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    model = open_model(arguments.model)
    options: Any = {name: getattr(arguments, name) for name in ("labels", "label", "ignore", "unknown")}
    dataset = datasets.labelled(arguments.data, model.meaning, **options)
    result = scores(model, dataset)
    table = result.by_class() if arguments.report else None
    if arguments.json:
        report = {} if table is None else {"report": {shown(n): row for n, row in table.document().items()}}
        print(json.dumps(result.document() | report, indent=2))
    else:
        print(result.report())
        if table is not None:
            print(f"\n{shown_lines(str(table))}")
    return 0
