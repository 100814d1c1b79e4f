"""Configs of these tests name transforms without a prefix."""

import pytest
from mmengine.registry import init_default_scope

import detplug.register  # noqa: F401


@pytest.fixture(autouse=True)
def mmdet_scope():
    init_default_scope('mmdet')
