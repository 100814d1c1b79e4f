"""Makers of random image results for the tests of evaluation and report."""

import numpy as np

from detplug.evaluation.image_result import ImageResult


def boxes_at_random(rng: np.random.Generator, count: int, size: int = 100) -> np.ndarray:
    """(count, 4) xyxy boxes inside a square of ``size`` pixels."""
    corner = rng.uniform(0, size * 0.8, (count, 2))
    return np.concatenate([corner, (corner + rng.uniform(2, size * 0.5, (count, 2))).clip(max=size)], axis=1)


def make_result(
    img_id=0, truth=(), labels=(), predicted=(), predicted_labels=(), scores=(), ignored=None, size=100, img_path=''
) -> ImageResult:
    """An image result from lists of xyxy boxes and labels."""
    truth = np.array(truth, np.float64).reshape(-1, 4)
    ignored = np.zeros(len(truth), bool) if ignored is None else np.array(ignored, bool)
    areas = (truth[:, 2:] - truth[:, :2]).prod(axis=1)
    return ImageResult(
        img_id,
        img_path,
        size,
        size,
        truth,
        np.array(labels, np.int64),
        ignored,
        areas,
        np.array(predicted, np.float64).reshape(-1, 4),
        np.array(predicted_labels, np.int64),
        np.array(scores, np.float64),
    )


def random_result(
    rng: np.random.Generator, img_id: int, classes: int = 3, objects: int = 8, detections: int = 30, crowd: float = 0.2
) -> ImageResult:
    """Random truth; detections half near an object, half anywhere; counts drawn from 0 to the given ones."""
    objects, detections = rng.integers(0, objects + 1), rng.integers(0, detections + 1)
    truth, labels = boxes_at_random(rng, objects), rng.integers(0, classes, objects)
    predicted, predicted_labels = boxes_at_random(rng, detections), rng.integers(0, classes, detections)
    if objects:
        near = rng.random(detections) < 0.5
        source = rng.integers(0, objects, detections)
        predicted = np.where(near[:, None], truth[source] + rng.normal(0, 2, (detections, 4)), predicted)
        predicted[:, 2:] = np.maximum(predicted[:, 2:], predicted[:, :2] + 0.5)
        predicted_labels = np.where(near, labels[source], predicted_labels)
    return make_result(
        img_id,
        truth,
        labels,
        predicted,
        predicted_labels,
        rng.permutation(1000)[:detections] / 1000,
        rng.random(objects) < crowd,
    )
