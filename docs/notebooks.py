"""Changes an example so that it also runs as a notebook."""

import re


def without_exit(code: str) -> str:
    """``sys.exit(cli.main(...))`` becomes ``cli.main(...)``: SystemExit is an error in a notebook."""
    return re.sub(r"^( *)sys\.exit\((cli\.main\(.*\))\)$", r"\1\2", code, flags=re.M)
