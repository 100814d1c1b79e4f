"""Arithmetic of boxes (D, 4) xyxy in numpy."""

import numpy as np


def grown(boxes: np.ndarray, margin: float) -> np.ndarray:
    """(D, 4) boxes, ``margin`` px larger on each side."""
    return boxes + margin * np.array([-1, -1, 1, 1])


def clip(boxes: np.ndarray, region: np.ndarray) -> np.ndarray:
    """(D, 4) boxes inside ``region`` (4,) xyxy; one that lies outside has no area."""
    return np.concatenate([np.maximum(boxes[:, :2], region[:2]), np.minimum(boxes[:, 2:], region[2:])], 1)


def area(boxes: np.ndarray) -> np.ndarray:
    """(D,) area of (D, 4) boxes."""
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def intersection(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A, B) shared area of (A, 4) and (B, 4) boxes."""
    side = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    return np.prod(np.maximum(side, 0), axis=2)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A, B) intersection over union of (A, 4) and (B, 4) boxes."""
    both = intersection(a, b)
    return both / (area(a)[:, None] + area(b) - both)


def paired_intersection(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(D,) shared area of each box of (D, 4) with the one beside it."""
    return np.prod(np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0), axis=1)
