"""Configs of these tests name transforms without a prefix."""

import pytest
from mmengine.registry import init_default_scope
from tiny_sets import write_images

import detplug.register  # noqa: F401
from detplug.data import cache_file, image_cache


@pytest.fixture(autouse=True)
def mmdet_scope():
    init_default_scope('mmdet')


@pytest.fixture(autouse=True)
def any_free_disk(monkeypatch):
    """The cache is used on a disk of any size; the test of what is kept free sets its own limit."""
    monkeypatch.setattr(image_cache, 'KEEP_FREE', 0)


@pytest.fixture
def paths(tmp_path) -> list[str]:
    """Six image files, each another picture; images of 24x16 px in the cache."""
    names = [f'{i}.bmp' for i in range(6)]
    write_images(tmp_path / 'img', names)
    return [str(tmp_path / 'img' / name) for name in names]


@pytest.fixture
def lines(monkeypatch) -> list[str]:
    """What is said on the screen."""
    said = []
    monkeypatch.setattr(cache_file, 'print_log', lambda line, **_: said.append(line))
    cache_file.say_once.cache_clear()
    return said
