"""Intersection over union of boxes that are already paired, and of the boxes around two boxes."""

import numpy as np

VOC_PIXEL = 1.0  # px that HICO-DET, V-COCO and VRD add to every side: their boxes name the last pixel inside


def paired_iou(first: np.ndarray, second: np.ndarray, extra: float = VOC_PIXEL) -> np.ndarray:
    """(P,) float64 IoU of row i of ``first`` with row i of ``second``, both (P, 4) xyxy px; 0 where the union is empty.

    Args:
        extra: px added to each width and height; 0 for boxes whose corners are points, as COCO's.
    """
    width = np.minimum(first[:, 2], second[:, 2]) - np.maximum(first[:, 0], second[:, 0]) + extra
    height = np.minimum(first[:, 3], second[:, 3]) - np.maximum(first[:, 1], second[:, 1]) + extra
    common = width.clip(min=0) * height.clip(min=0)
    union = _area(first, extra) + _area(second, extra) - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def around(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(P, 4) the smallest box around row i of ``first`` and row i of ``second``."""
    return np.concatenate([np.minimum(first[:, :2], second[:, :2]), np.maximum(first[:, 2:], second[:, 2:])], axis=1)


def _area(boxes: np.ndarray, extra: float) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0] + extra) * (boxes[:, 3] - boxes[:, 1] + extra)
