"""Programs that tests start import the installed package: the folder minidnn/ of the checkout holds no kernels."""

import re

from kit import TESTS

HIDES = re.compile(r'sys\.executable, "-[cm]"')


def test_no_python_is_started_that_looks_in_the_current_folder():
    guilty = [path.name for path in TESTS.rglob("*.py") if HIDES.search(path.read_text())]
    assert not guilty, f'{guilty} start Python without "-P"'
