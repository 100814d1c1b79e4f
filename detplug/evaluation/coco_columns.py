"""Truth and detections of many images as columns, which is what COCO's evaluation reads.

Letters: N rows of all images, K classes. Image and category ids count from 1; boxes are x, y, width, height in px.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from detplug.evaluation.image_result import ImageResult, detection_order


class TruthColumns(NamedTuple):
    """``images``, ``categories`` (N,) int64; ``boxes`` (N, 4), ``areas`` (N,) float64 px^2; ``crowds`` (N,) int64."""

    images: np.ndarray
    categories: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowds: np.ndarray


class DetectionColumns(NamedTuple):
    """``images``, ``categories`` (N,) int64; ``boxes`` (N, 4), ``scores`` (N,) float64."""

    images: np.ndarray
    categories: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


def truth_columns(images: Sequence[ImageResult], num_classes: int) -> TruthColumns:
    """The objects of all images; an ignored one whose label is none of the K classes is repeated for each of them."""
    counts = [len(image.gt_labels) for image in images]
    labels = np.concatenate([image.gt_labels for image in images])
    known = (labels >= 0) & (labels < num_classes)
    times = np.where(known, 1, num_classes)
    rows = np.repeat(np.arange(len(labels)), times)
    first_row = np.cumsum(times) - times  # of each object
    classes = np.where(known[rows], labels[rows], np.arange(len(rows)) - first_row[rows])
    return TruthColumns(
        np.repeat(np.arange(1, len(images) + 1), counts)[rows],
        classes + 1,
        _sizes(np.concatenate([image.gt_boxes for image in images]))[rows],
        np.concatenate([image.gt_areas for image in images])[rows],
        np.concatenate([image.gt_ignored for image in images])[rows].astype(np.int64),
    )


def detection_columns(images: Sequence[ImageResult], num_classes: int) -> DetectionColumns:
    """The detections of all images; those of one image in :func:`detection_order`, so that equal scores are settled.

    Detections whose label is none of the K classes count for nothing in COCO's figures and are left out.
    """
    orders = [detection_order(image) for image in images]
    labels = [image.labels[order] for image, order in zip(images, orders, strict=True)]
    orders = [order[(x >= 0) & (x < num_classes)] for order, x in zip(orders, labels, strict=True)]
    pairs = list(zip(images, orders, strict=True))
    return DetectionColumns(
        np.repeat(np.arange(1, len(images) + 1), [len(order) for order in orders]),
        np.concatenate([image.labels[order] for image, order in pairs]) + 1,
        _sizes(np.concatenate([image.boxes[order] for image, order in pairs])),
        np.concatenate([image.scores[order] for image, order in pairs]),
    )


def _sizes(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
