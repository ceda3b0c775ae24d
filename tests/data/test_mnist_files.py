"""The location of MNIST's files, and their checksums."""

import gzip
import hashlib
import re

import pytest
from kit import CHECKOUT

from minidnn import data
from minidnn.data import packaged

PACKAGE = CHECKOUT / "packages" / "minidnn-mnist" / "src" / "minidnn_mnist"


def test_the_files_match_their_readme():
    note = (PACKAGE / "mnist" / "README.md").read_text()
    rows = re.findall(r"^\| (\S+\.gz) \| (\w{64}) \|$", note, re.M)
    assert len(rows) == 4
    for name, digest in rows:
        assert hashlib.sha256(gzip.decompress((packaged.mnist_folder() / name).read_bytes())).hexdigest() == digest


def test_the_data_package_comes_first(monkeypatch):
    monkeypatch.syspath_prepend(str(PACKAGE.parent))
    assert packaged.mnist_folder().samefile(PACKAGE / "mnist")


def test_without_the_files_the_error_names_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(packaged, "files", lambda name: tmp_path)
    monkeypatch.setattr(packaged, "_CHECKOUT", tmp_path)
    with pytest.raises(FileNotFoundError, match=r'load_mnist: .* pip install "minidnn\[mnist\]"'):
        data.load_mnist()
