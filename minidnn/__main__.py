"""``python -m minidnn``."""

import sys

from minidnn.cli import main

sys.exit(main())
