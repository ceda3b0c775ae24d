"""How the compiled modules are linked."""

import shutil
import subprocess
import sys

import pytest

from minidnn import kernels
from minidnn.pipeline import _pipeline

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF files are Linux's"),
    pytest.mark.skipif(shutil.which("readelf") is None, reason="readelf is not installed"),
]

each_module = pytest.mark.parametrize("module", [kernels._core, _pipeline], ids=lambda module: module.__name__)


def read(module, option):
    command = ["readelf", "--wide", option, module.__file__]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@each_module
def test_symbols_are_bound_at_load_and_their_table_is_read_only(module):
    assert "NOW" in read(module, "--dynamic") and "GNU_RELRO" in read(module, "--program-headers")


@each_module
def test_stacks_are_protected(module):
    assert "__stack_chk_fail" in read(module, "--dyn-syms")


@each_module
def test_no_page_can_be_written_and_run(module):
    (stack,) = [line for line in read(module, "--program-headers").splitlines() if "GNU_STACK" in line]
    assert "RWE" not in stack
