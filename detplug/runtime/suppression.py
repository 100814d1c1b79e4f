"""Class-agnostic non-maximum suppression in numpy: one box an object, whatever names its boxes have."""

import numpy as np

from detplug.images.greedy_suppression import survivors
from detplug.images.overlapping_pairs import overlapping_pairs


def suppress(boxes: np.ndarray, scores: np.ndarray, iou_threshold: float = 0.5) -> np.ndarray:
    """Greedy suppression: a box stays unless a better box that stays covers it by IoU > ``iou_threshold``.

    Args:
        boxes: (D, 4) xyxy px. scores: (D,); of equal scores the first box is the better one.

    Returns:
        (S,) int64, what stays in descending order of score.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind='stable')
    ranked = np.asarray(boxes, np.float64)[order]
    return order[survivors(*overlapping_pairs(ranked, iou_threshold), len(order))]
