"""Fixtures shared by all tests: where the real data lies, and seeds."""

import os
from pathlib import Path

import pytest

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
