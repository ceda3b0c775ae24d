"""Records the public names and parameters in tests/kit/public_names.json, with which a test compares them.

Usage: python -P tools/record_public_names.py
"""

import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))

from kit import public_names  # noqa: E402

if __name__ == "__main__":
    public_names.RECORD.write_text(public_names.as_text(public_names.found()))
