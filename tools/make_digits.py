"""Makes minidnn/data/digits/*.gz from UCI's ``optdigits.tes``, or from scikit-learn's copy of it, ``digits.csv.gz``.

python tools/make_digits.py optdigits.tes
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from minidnn.data import save_idx

FOLDER = Path(__file__).resolve().parent.parent / "minidnn" / "data" / "digits"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", help="1,797 rows: 64 pixels from 0 to 16 and a label, comma-separated")
    table = np.loadtxt(parser.parse_args().table, delimiter=",")
    if table.shape != (1797, 65) or table.min() < 0 or table[:, :-1].max() > 16 or (table % 1).any():
        raise SystemExit("the table is not that of optdigits.tes: 1,797 rows of 64 pixels from 0 to 16 and a label")
    save_idx(FOLDER / "images-idx3-ubyte.gz", table[:, :-1].astype(np.uint8).reshape(-1, 8, 8))
    save_idx(FOLDER / "labels-idx1-ubyte.gz", table[:, -1].astype(np.uint8))


if __name__ == "__main__":
    main()
