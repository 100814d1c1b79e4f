"""What hardware simulation needs of the machine."""

import shutil

import pytest


@pytest.fixture(scope='session')
def gxx() -> str:
    """The compiler that simulates; without it the test is skipped with the reason on the screen."""
    found = shutil.which('g++')
    if found is None:
        pytest.skip('g++ was not found: install a C++ compiler')
    return found
