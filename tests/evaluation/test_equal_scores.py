"""Equal scores: what is counted does not depend on the order in which a detector gives its detections."""

from dataclasses import replace

import numpy as np
import pytest
from image_results import random_result

from detplug.evaluation.compare import average_precision, class_matches
from detplug.evaluation.confusion import confusion_matrix
from detplug.evaluation.image_result import detection_order
from detplug.evaluation.matching import match_image
from detplug.evaluation.per_image import score_image


def shuffled(rng, image):
    order = rng.permutation(len(image.scores))
    return replace(image, boxes=image.boxes[order], labels=image.labels[order], scores=image.scores[order])


@pytest.fixture(params=range(4))
def pair(request):
    """Images with scores of one digit, and the same with their detections in another order."""
    rng = np.random.default_rng(request.param)
    images = [replace(x, scores=x.scores.round(1)) for x in (random_result(rng, i, 3, 8, 60) for i in range(8))]
    return images, [shuffled(rng, image) for image in images]


def test_the_order_is_that_of_score_label_and_box(pair):
    for first, second in zip(*pair, strict=True):
        a, b = detection_order(first), detection_order(second)
        np.testing.assert_array_equal(first.boxes[a], second.boxes[b])
        keys = [
            (-s, k, *box) for s, k, box in zip(first.scores[a], first.labels[a], first.boxes[a].tolist(), strict=True)
        ]
        assert keys == sorted(keys)


def test_matches_of_an_image(pair):
    for first, second in zip(*pair, strict=True):
        (a, ignored_a), (b, ignored_b) = match_image(first), match_image(second)
        i, k = detection_order(first), detection_order(second)
        np.testing.assert_array_equal(a[i], b[k])
        np.testing.assert_array_equal(ignored_a[i], ignored_b[k])
        assert score_image(first, 0.5) == score_image(second, 0.5)


def test_confusion_matrix(pair):
    np.testing.assert_array_equal(*(confusion_matrix(images, 3) for images in pair))


def test_average_precision_of_the_comparison(pair):
    first, second = (class_matches(images, 3) for images in pair)
    weights = np.random.default_rng(0).integers(0, 3, 8)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_equal(average_precision(a, weights), average_precision(b, weights))  # nan without an object
