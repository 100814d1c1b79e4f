"""Class-agnostic non-maximum suppression in numpy: one box an object, whatever names its boxes have."""

import numpy as np


def suppress(boxes: np.ndarray, scores: np.ndarray, iou_threshold: float = 0.5) -> np.ndarray:
    """Greedy suppression: a box stays unless a better box that stays covers it by IoU > ``iou_threshold``.

    Pairs are looked for among boxes that share columns of pixels alone. All boxes are judged at once, again and again
    until nothing changes: after n rounds the n best are as the greedy order has them.

    Args:
        boxes: (D, 4) xyxy px. scores: (D,); of equal scores the first box is the better one.

    Returns:
        (S,) int64, what stays in descending order of score.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind='stable')
    ranked = np.asarray(boxes, np.float64)[order]
    better, worse = _overlapping(ranked, iou_threshold)
    alive = np.ones(len(order), bool)
    while True:
        now = np.ones(len(order), bool)
        now[worse[alive[better]]] = False
        if (now == alive).all():
            return order[now]
        alive = now


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
    common = np.prod(np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0), axis=1)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    found = common > iou_threshold * (area[first] + area[second] - common)
    return np.minimum(first[found], second[found]), np.maximum(first[found], second[found])
