"""Curves agree with COCO's AP and with counts by hand."""

import numpy as np
import pytest
from image_results import make_result, random_result

from detplug.evaluation.coco_ap import box_metrics
from detplug.evaluation.curves import class_curves

CLASSES = ('a', 'b', 'c')


def interpolated_ap(curve):
    """COCO's mean of the highest precision at 101 recall levels."""
    ceiling = np.maximum.accumulate(curve.precision[::-1])[::-1]
    at = np.searchsorted(curve.recall, np.linspace(0, 1, 101), side='left')
    return np.concatenate([ceiling, [0.0]])[at].mean()


@pytest.mark.parametrize('seed', range(6))
def test_the_area_under_each_curve_is_cocos_ap50(seed):
    rng = np.random.default_rng(seed)
    images = [random_result(rng, i, objects=12, detections=60) for i in range(8)]
    for image in images:  # scores of different images must differ too: COCO lets equal ones in one by one
        image.scores = image.scores + rng.random(len(image.scores)) * 1e-6
    metrics = box_metrics(images, CLASSES, 300)
    curves = class_curves(images, 3)
    for name, curve in zip(CLASSES, curves, strict=False):
        assert interpolated_ap(curve) == pytest.approx(metrics[f'ap50/{name}'], abs=1e-12)


def test_counts_by_hand():
    box, far = [0, 0, 40, 40], [50, 50, 90, 90]
    image = make_result(0, [box, far], [0, 0], [box, box, far], [0, 0, 0], [0.9, 0.6, 0.3])
    curve = class_curves([image], 1)[0]
    np.testing.assert_allclose(curve.scores, [0.9, 0.6, 0.3])
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(curve.recall, [1 / 2, 1 / 2, 1])
    np.testing.assert_allclose(curve.f1, [2 / 3, 1 / 2, 4 / 5])
    assert curve.best == pytest.approx((0.3, 4 / 5))


def test_equal_scores_count_together():
    box, far = [0, 0, 40, 40], [50, 50, 90, 90]
    image = make_result(0, [box], [0], [box, far], [0, 0], [0.5, 0.5])
    curve = class_curves([image], 1)[0]
    assert curve.precision.tolist() == [0.5] and curve.recall.tolist() == [1.0]


def test_the_last_curve_pools_all_classes():
    rng = np.random.default_rng(0)
    images = [random_result(rng, i) for i in range(4)]
    *each, pooled = class_curves(images, 3)
    assert pooled.objects == sum(curve.objects for curve in each)
    assert set(pooled.scores) == set(np.concatenate([curve.scores for curve in each]))


@pytest.mark.parametrize(
    'images',
    [[], [make_result(0)], [make_result(0, [[0, 0, 9, 9]], [0])], [make_result(0, [], [], [[0, 0, 9, 9]], [0], [0.5])]],
)
def test_nothing_to_count_gives_no_best_point(images):
    assert [curve.best for curve in class_curves(images, 2)] == [None, None, None]


def test_labels_beyond_the_classes_are_not_counted():
    image = make_result(0, [[0, 0, 9, 9]], [0], [[0, 0, 9, 9], [0, 0, 9, 9]], [0, 2], [0.5, 0.9])
    assert class_curves([image], 2)[-1].precision.tolist() == [1.0]
