"""Runs scripts of tests/ in a process with a preloaded library of `native/`."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from kit import TESTS

COMPILER = os.environ.get("CC", "cc")


def hindrance():
    """Why no library can be preloaded here, or None."""
    if sys.platform != "linux":
        return "calls are intercepted as the dynamic linker of Linux lets us"
    if "MINIDNN_SANITIZED" in os.environ:
        return "the sanitizer must be preloaded first"
    return None if shutil.which(COMPILER) else "there is no C compiler"


def preloaded(shim, script, *arguments, threads):
    """What the script prints, which is JSON."""
    with tempfile.TemporaryDirectory() as work:
        library = Path(work) / f"{shim}.so"
        source = TESTS / "native" / f"{shim}.c"
        subprocess.run([COMPILER, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        environment = os.environ | {"LD_PRELOAD": str(library), "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, TESTS / script, *map(str, arguments)]
        return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)
