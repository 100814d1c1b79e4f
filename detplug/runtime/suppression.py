"""Class-agnostic non-maximum suppression in numpy: one box an object, whatever names its boxes have."""

import numpy as np

from detplug.images.box_geometry import area, paired_intersection
from detplug.images.greedy_suppression import survivors


def suppress(boxes: np.ndarray, scores: np.ndarray, iou_threshold: float = 0.5) -> np.ndarray:
    """Greedy suppression: a box stays unless a better box that stays covers it by IoU > ``iou_threshold``.

    Pairs are looked for among boxes that share columns of pixels alone.

    Args:
        boxes: (D, 4) xyxy px. scores: (D,); of equal scores the first box is the better one.

    Returns:
        (S,) int64, what stays in descending order of score.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind='stable')
    ranked = np.asarray(boxes, np.float64)[order]
    return order[survivors(*_overlapping(ranked, iou_threshold), len(order))]


def _overlapping(boxes: np.ndarray, iou_threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """(P,) pairs of rows with an IoU above the threshold, the lower row first."""
    by_left = np.argsort(boxes[:, 0], kind='stable')
    rows = np.arange(len(boxes))
    ends = np.searchsorted(boxes[by_left, 0], boxes[by_left, 2], side='left')  # from there on boxes begin further right
    counts = np.maximum(ends - rows - 1, 0)
    first = np.repeat(rows, counts)
    second = np.arange(len(first)) - np.repeat(counts.cumsum() - counts, counts) + first + 1
    first, second = by_left[first], by_left[second]
    a, b = boxes[first], boxes[second]
    common = paired_intersection(a, b)
    overlapping = common > iou_threshold * (area(a) + area(b) - common)
    return np.minimum(first[overlapping], second[overlapping]), np.maximum(first[overlapping], second[overlapping])
