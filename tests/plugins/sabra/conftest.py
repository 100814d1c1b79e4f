"""Trainings of these tests write their configs without yapf, which takes seconds for each and changes layout alone."""

from unittest import mock

import pytest


@pytest.fixture(autouse=True, scope='session')
def configs_are_written_as_they_are():
    with mock.patch('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (f'{text}\n', True)):
        yield
