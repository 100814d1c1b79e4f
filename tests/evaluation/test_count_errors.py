"""Counts of an image against its objects."""

import numpy as np
import pytest
from image_results import make_result, random_result

from detplug.evaluation.count_errors import count_errors

BOX, FAR = [0, 0, 40, 40], [50, 50, 90, 90]


def test_counts_by_hand():
    images = [
        make_result(0, [BOX, FAR], [0, 0], [BOX, BOX, FAR], [0, 1, 0], [0.9, 0.8, 0.1]),  # one missed; one of class 1
        make_result(1, [BOX], [0], [FAR], [0], [0.6]),  # a missed and a false one cancel
        make_result(2),
        make_result(3, [], [], [BOX, FAR], [0, 0], [0.9, 0.5]),
    ]
    first, second = count_errors(images, [0.5, 0.85])
    assert (first.objects, first.counted) == (3, 4)
    assert (first.bias, first.absolute, first.exact) == (0.25, 0.75, 0.5)
    assert first.limits == (-1, 2)
    assert (second.objects, second.counted, second.bias, second.exact) == (0, 0, 0, 1)


def test_ignored_objects_and_what_lies_in_them_count_nowhere():
    image = make_result(0, [BOX, FAR], [0, 0], [BOX, FAR], [0, 0], [0.9, 0.9], ignored=[True, False])
    (error,) = count_errors([image], [0.5])
    assert (error.objects, error.counted, error.exact) == (1, 1, 1)


def test_without_images_there_is_no_error():
    assert count_errors([], [0.5, 0.5]) == []


def test_the_sums_are_those_of_a_loop():
    rng = np.random.default_rng(3)
    images = [random_result(rng, i, classes=3, crowd=0) for i in range(12)]
    for k, error in enumerate(count_errors(images, [0.2, 0.5, 0.9])):
        thr = (0.2, 0.5, 0.9)[k]
        there = [sum(label == k for label in x.gt_labels) for x in images]
        seen = [sum(a == k and s >= thr for a, s in zip(x.labels, x.scores, strict=True)) for x in images]
        assert (error.objects, error.counted) == (sum(there), sum(seen))
        assert error.absolute == pytest.approx(np.mean([abs(a - b) for a, b in zip(seen, there, strict=True)]))
