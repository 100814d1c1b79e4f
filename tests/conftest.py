"""Fixtures shared by all tests, and how cases are drawn: the same in every run, or new ones to search for bugs.

python -m pytest --hypothesis-profile explore
"""

import os
from pathlib import Path

import pytest
import pytest_randomly
from hypothesis import settings
from mmengine.registry import init_default_scope

pytest_randomly.entrypoint_reseeds = []  # qonnx's prints a line before each test, into what tests capture
settings.register_profile('same', derandomize=True, deadline=None)  # no test fails because a machine was busy
settings.register_profile('explore', deadline=None, max_examples=1000)
settings.load_profile('same')

ROOT = Path(__file__).resolve().parents[1]


def shared_folder(name: str) -> Path:
    """The folder ``name`` of the real data, or a skip that says what is missing."""
    root = Path(os.environ.get('DETPLUG_DATA', ROOT.parent / 'shared' / 'data'))
    if not (root / name).exists():
        pytest.skip(f'real data not found: {root / name} (set DETPLUG_DATA)')
    return root / name


@pytest.fixture
def real_data():
    """Function ``name -> Path`` of a real data set; the test is skipped with the reason where it is absent."""
    return shared_folder


@pytest.fixture
def yolov5n_weights() -> Path:
    """The official yolov5n.pt; the test is skipped with the reason where it is absent."""
    path = shared_folder('.').parent / 'weights' / 'yolov5n.pt'
    if not path.exists():
        pytest.skip(f'official checkpoint not found: {path}')
    return path


@pytest.fixture(autouse=True, scope='session')
def image_cache_of_the_tests(tmp_path_factory):
    """Resized images of tests, and of the programs they start, do not fill the user's cache."""
    os.environ['DETPLUG_CACHE'] = str(tmp_path_factory.mktemp('image_cache'))


def pytest_runtest_setup(item):
    """Names without a prefix are mmdet's in every test, whatever scope a test before has left."""
    init_default_scope('mmdet')
