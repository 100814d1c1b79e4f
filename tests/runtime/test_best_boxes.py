"""One box an object: the suppression of all at once is the greedy one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detplug.runtime.detections import greedy_nms
from detplug.runtime.suppression import suppress


@settings(deadline=None)
@given(
    seed=st.integers(0, 10**6), count=st.integers(0, 120), side=st.integers(1, 80), iou=st.sampled_from([0.3, 0.5, 0.7])
)
def test_it_is_the_greedy_suppression(seed, count, side, iou):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 100, (count, 2))
    boxes = np.concatenate([corners, corners + rng.integers(0, side, (count, 2))], 1).astype(float)
    scores = rng.integers(0, 20, count) / 20
    order = np.argsort(-scores, kind='stable')
    expected = order[greedy_nms(boxes[order], np.zeros(count), iou, count)]
    assert suppress(boxes, scores, iou).tolist() == expected.tolist()


def test_what_a_suppressed_box_covers_stays():
    chain = np.array([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10], [9, 0, 19, 10.0]])  # neighbours at IoU .54
    assert suppress(chain, np.array([0.9, 0.8, 0.7, 0.6])).tolist() == [0, 2]
    assert suppress(chain, np.array([0.6, 0.9, 0.8, 0.7])).tolist() == [1, 3]


@pytest.mark.parametrize('boxes', [np.zeros((0, 4)), np.ones((3, 4))])
def test_no_boxes_and_boxes_without_area_stay(boxes):
    assert len(suppress(boxes, np.zeros(len(boxes)))) == len(boxes)
