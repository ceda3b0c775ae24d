"""How the compiled module is linked."""

import shutil
import subprocess
import sys

import pytest

from minidnn import kernels

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF files are Linux's"),
    pytest.mark.skipif(shutil.which("readelf") is None, reason="readelf is not installed"),
]


def read(option):
    command = ["readelf", "--wide", option, kernels._core.__file__]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_symbols_are_bound_at_load_and_their_table_is_read_only():
    assert "NOW" in read("--dynamic") and "GNU_RELRO" in read("--program-headers")


def test_stacks_are_protected():
    assert "__stack_chk_fail" in read("--dyn-syms")


def test_no_page_can_be_written_and_run():
    (stack,) = [line for line in read("--program-headers").splitlines() if "GNU_STACK" in line]
    assert "RWE" not in stack
