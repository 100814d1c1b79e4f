"""The confusion matrix counts every object once and every counted detection once."""

import numpy as np
import pytest
from image_results import make_result, random_result

from detplug.evaluation.confusion import confusion_matrix, match_by_overlap

BOX, NEAR, FAR = [0, 0, 40, 40], [0, 0, 40, 36], [50, 50, 90, 90]


def greedy_pairs(iou, thr):
    """Take the largest overlap, strike out its row and column, repeat."""
    match, left = np.full(len(iou), -1), iou.copy()
    while left.size and left.max() >= thr:
        d, g = np.unravel_index(left.argmax(), left.shape)
        match[d] = g
        left[d], left[:, g] = -1, -1
    return match


@pytest.mark.parametrize('seed', range(20))
def test_equals_taking_the_largest_overlap_again_and_again(seed):
    rng = np.random.default_rng(seed)
    iou = rng.random(rng.integers(0, 20, 2))
    np.testing.assert_array_equal(match_by_overlap(iou, 0.45), greedy_pairs(iou, 0.45))


def test_equal_overlaps_end():
    assert sorted(match_by_overlap(np.full((3, 2), 0.8), 0.45)) == [-1, 0, 1]


def test_right_confused_missed_and_made_up():
    image = make_result(
        0, [BOX, FAR, [0, 50, 40, 90]], [0, 1, 2], [NEAR, FAR, [60, 0, 90, 30], BOX], [0, 2, 1, 1], [0.9, 0.8, 0.7, 0.2]
    )
    expected = np.zeros((4, 4), int)
    expected[0, 0] = expected[1, 2] = expected[2, 3] = expected[3, 1] = 1
    np.testing.assert_array_equal(confusion_matrix([image], 3), expected)


def test_of_two_classes_on_the_same_box_the_higher_score_counts():
    image = make_result(0, [BOX], [1], [BOX, BOX], [0, 1], [0.5, 0.9])
    np.testing.assert_array_equal(confusion_matrix([image], 2), [[0, 0, 0], [0, 1, 0], [1, 0, 0]])


def test_ignored_objects_are_neither_missed_nor_background():
    image = make_result(0, [BOX, FAR], [0, 1], [BOX, NEAR], [0, 1], [0.9, 0.9], ignored=[True, True])
    assert confusion_matrix([image], 2).sum() == 0


@pytest.mark.parametrize('seed', range(5))
def test_rows_sum_to_the_objects_and_columns_to_the_counted_detections(seed):
    rng = np.random.default_rng(seed)
    images = [random_result(rng, i, crowd=0) for i in range(5)]
    counts = confusion_matrix(images, 3)
    truth = np.concatenate([x.gt_labels for x in images])
    predicted = np.concatenate([x.labels[x.scores >= 0.25] for x in images])
    np.testing.assert_array_equal(counts.sum(1)[:3], np.bincount(truth, minlength=3))
    np.testing.assert_array_equal(counts.sum(0)[:3], np.bincount(predicted, minlength=3))
    assert counts[3, 3] == 0


@pytest.mark.parametrize('images', [[], [make_result(0)]])
def test_nothing_gives_zeros(images):
    assert confusion_matrix(images, 2).tolist() == [[0] * 3] * 3
