"""Counts per image, and the worst image first."""

from dataclasses import replace

import numpy as np
from image_results import make_result, random_result

from detplug.evaluation.per_image import ImageScore, score_image, worst_first

BOX, FAR = [0, 0, 40, 40], [50, 50, 90, 90]


def test_counts_by_hand():
    image = make_result(0, [BOX, FAR], [0, 0], [BOX, BOX, FAR], [0, 0, 0], [0.9, 0.8, 0.1])
    assert score_image(image, 0.5) == ImageScore(true_positives=1, missed=1, false=1)
    assert score_image(image, 0.0) == ImageScore(true_positives=2, missed=0, false=1)
    assert score_image(image, 0.5).f1 == 0.5


def test_ignored_objects_count_nowhere():
    image = make_result(0, [BOX, FAR], [0, 0], [BOX], [0], [0.9], ignored=[True, True])
    assert score_image(image, 0.5) == ImageScore(0, 0, 0)


def test_a_detection_on_an_unknown_object_is_neither_right_nor_false():
    boxes, labels, scores = [BOX, FAR, [0, 60, 20, 80]], [0, 0, 0], [0.9, 0.8, 0.7]
    image = replace(make_result(0, [BOX], [0], boxes, labels, scores), unknown_boxes=np.array([FAR, BOX], float))
    assert score_image(image, 0.5) == ImageScore(true_positives=1, missed=0, false=1, unknown=1)
    assert score_image(image, 0.75).f1 == 1


def test_empty_images_are_perfect_and_the_worst_comes_first():
    half = make_result('half', [BOX, FAR], [0, 0], [BOX], [0], [0.9])
    bad = make_result('bad', [BOX], [0])
    worse = make_result('worse', [BOX, FAR], [0, 0])
    ranked = worst_first([make_result('empty'), half, bad, worse], 0.5)
    assert [image.img_id for image, _ in ranked] == ['worse', 'bad', 'half', 'empty']
    assert ranked[-1][1].f1 == 1.0


def test_every_image_is_ranked_once():
    rng = np.random.default_rng(0)
    images = [random_result(rng, i) for i in range(10)]
    assert sorted(image.img_id for image, _ in worst_first(images, 0.3)) == list(range(10))
