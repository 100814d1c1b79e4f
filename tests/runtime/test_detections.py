"""Selection in numpy against a plain loop over boxes, written from the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detplug.runtime.detections import Detections, select

NMS = dict(score_thr=0.2, iou_threshold=0.6, max_per_img=25, multi_label=True)


def dense(seed: int, anchors: int = 60, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 20, (anchors, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, 20, (anchors, 2))], 1).astype(np.float32)
    return boxes, rng.uniform(0, 1, (anchors, classes)).astype(np.float32) ** 2


def iou(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inter = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    return inter / union if union > 0 else 0.0


def brute_force(boxes, scores, nms) -> list[tuple[int, int]]:
    """(anchor, class) kept, best first."""
    pairs = [
        (i, k)
        for i in range(len(boxes))
        for k in range(scores.shape[1])
        if scores[i, k] > nms['score_thr'] and (nms['multi_label'] or k == scores[i].argmax())
    ]
    kept = []
    for i, k in sorted(pairs, key=lambda pair: -scores[pair]):
        if sum(other == k for _, other in kept) < nms.get('max_per_class', len(pairs)) and all(
            k != other or iou(boxes[i], boxes[j]) <= nms['iou_threshold'] for j, other in kept
        ):
            kept.append((i, k))
    return kept[: nms['max_per_img']]


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), multi_label=st.booleans(), per_class=st.sampled_from([None, 1, 3, 10]))
def test_select_equals_the_definition(seed, multi_label, per_class):
    boxes, scores = dense(seed)
    nms = NMS | dict(multi_label=multi_label) | ({} if per_class is None else dict(max_per_class=per_class))
    expected = brute_force(boxes, scores, nms)
    found = select(boxes, scores, nms)
    np.testing.assert_array_equal(found[2], [k for _, k in expected])
    np.testing.assert_array_equal(found[0], boxes[[i for i, _ in expected]])
    np.testing.assert_array_equal(found[1], [scores[pair] for pair in expected])


@pytest.mark.parametrize('anchors', [0, 5])
def test_nothing_above_the_threshold_is_an_empty_result(anchors):
    boxes, scores, labels = select(np.zeros((anchors, 4), np.float32), np.zeros((anchors, 3), np.float32), NMS)
    assert boxes.shape == (0, 4) and scores.shape == labels.shape == (0,)


def test_above_keeps_what_scores_more():
    found = Detections(np.zeros((3, 4)), np.array([0.9, 0.5, 0.1]), np.array([0, 1, 2]), ('a', 'b', 'c'))
    kept = found.above(0.5)
    assert len(kept) == 1 and kept.labels.tolist() == [0]
