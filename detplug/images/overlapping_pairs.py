"""Pairs of boxes of one picture that overlap much."""

import numpy as np

SLACK = 1e-5  # of a box's width, by which rounding may hide a pair


def overlapping_pairs(boxes: np.ndarray, iou: float) -> tuple[np.ndarray, np.ndarray]:
    """(P,) lower and (P,) higher rows of all pairs of boxes (N, 4) xyxy with an IoU above ``iou``.

    Computed in the type of the boxes. IoU above t needs the left edge of one within (1 - t) times the width of the
    other, so with boxes sorted by their left edge few pairs are looked at. Boxes without area overlap nothing.
    """
    by_left = np.argsort(boxes[:, 0], kind='stable')
    x1, y1, x2, y2 = np.ascontiguousarray(boxes[by_left].T)
    rows = np.arange(len(boxes))
    counts = np.searchsorted(x1, x1 + (1 - iou + SLACK) * (x2 - x1), side='right') - rows - 1
    np.maximum(counts, 0, out=counts)
    first = np.repeat(rows, counts)
    second = np.arange(len(first)) + np.repeat(rows + 1 - counts.cumsum() + counts, counts)
    height = np.minimum(y2[first], y2[second])
    height -= np.maximum(y1[first], y1[second])
    width = np.minimum(x2[first], x2[second])
    width -= x1[second]
    area = (x2 - x1) * (y2 - y1)
    common = np.maximum(width, 0) * np.maximum(height, 0)
    on = common > iou * (area[first] + area[second] - common)
    first, second = by_left[first[on]], by_left[second[on]]
    return np.minimum(first, second), np.maximum(first, second)
