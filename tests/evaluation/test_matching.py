"""Matching equals the plain loop over detections, and overlaps equal pycocotools'."""

import numpy as np
import pytest
from image_results import boxes_at_random, make_result
from pycocotools import mask

from detplug.evaluation.matching import match_by_score, match_image, overlaps


def matched_by_a_loop(iou, scores, iou_thr):
    """COCO's own rule, one detection after the other."""
    match, free = np.full(len(scores), -1), set(range(iou.shape[1]))
    for d in np.argsort(-scores, kind='stable'):
        best = iou_thr
        for g in sorted(free):
            if iou[d, g] >= best:
                best, match[d] = iou[d, g], g
        free.discard(match[d])
    return match


@pytest.mark.parametrize('seed', range(20))
def test_equals_the_loop_over_detections(seed):
    rng = np.random.default_rng(seed)
    shape = rng.integers(0, 25, 2)
    iou = rng.choice([-1.0, 0.1, 0.5, 0.6, 0.7, 0.8, 0.9], shape) if seed % 2 else rng.random(shape)
    scores = rng.choice([0.2, 0.5, 0.9], shape[0]) if seed % 3 else rng.random(shape[0])
    np.testing.assert_array_equal(match_by_score(iou, scores, 0.5), matched_by_a_loop(iou, scores, 0.5))


def test_overlaps_equal_pycocotools_with_crowds():
    rng = np.random.default_rng(0)
    boxes, objects, crowd = boxes_at_random(rng, 20), boxes_at_random(rng, 9), rng.random(9) < 0.5

    def wide(x):
        return np.concatenate([x[:, :2], x[:, 2:] - x[:, :2]], axis=1)

    np.testing.assert_allclose(
        overlaps(boxes, objects, crowd), mask.iou(wide(boxes), wide(objects), crowd.astype(int)), atol=1e-12
    )


def test_boxes_without_area_and_empty_sides():
    flat = np.array([[5.0, 5, 5, 5]])
    assert overlaps(flat, flat).tolist() == [[0.0]]
    assert overlaps(np.empty((0, 4)), flat).shape == (0, 1)
    assert match_by_score(np.empty((2, 0)), np.ones(2), 0.5).tolist() == [-1, -1]


def test_detections_on_ignored_objects_do_not_count_but_real_objects_go_first():
    box, other = [0, 0, 40, 40], [50, 50, 90, 90]
    image = make_result(
        0,
        [box, box, other],
        [0, 0, 1],
        [box, box, other, other],
        [0, 0, 1, 0],
        [0.9, 0.8, 0.7, 0.6],
        ignored=[True, False, True],
    )
    match, ignored = match_image(image)
    assert match.tolist() == [1, -1, -1, -1]
    assert ignored.tolist() == [False, True, True, False]
