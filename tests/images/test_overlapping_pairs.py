"""Pairs of boxes that overlap much are those of a look at every pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detplug.images.overlapping_pairs import overlapping_pairs


@settings(deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 60),
    side=st.integers(1, 60),
    iou=st.sampled_from([0, 0.3, 0.5, 0.9]),
)
@pytest.mark.parametrize('kind', [np.float32, np.float64])
def test_they_are_those_of_every_pair(seed, count, side, iou, kind):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 80, (count, 2))
    boxes = np.concatenate([corners, corners + rng.integers(0, side, (count, 2))], 1)
    boxes = boxes[rng.integers(0, max(count, 1), count)].astype(kind) if count else boxes.astype(kind)
    expected = set()
    for i, a in enumerate(boxes):
        for j, b in enumerate(boxes[i + 1 :], start=i + 1):
            width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
            common = max(width, 0) * max(height, 0)
            areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
            if common > kind(iou) * (areas - common):
                expected.add((i, j))
    pairs = list(zip(*(rows.tolist() for rows in overlapping_pairs(boxes, iou)), strict=True))
    assert len(pairs) == len(set(pairs)) and set(pairs) == expected
