"""Overlaps of boxes, and the matching of detections with objects as COCO has it, in numpy.

Letters: D detections, G objects of the truth.
"""

import numpy as np


def overlaps(boxes: np.ndarray, objects: np.ndarray, crowd: np.ndarray | None = None) -> np.ndarray:
    """(D, G) intersection over union of xyxy boxes (D, 4) and (G, 4); 0 where the union is empty.

    Args:
        crowd: (G,) bool; for these the intersection is divided by the area of the detection (COCO's rule).
    """
    common = _shared(boxes, objects, 0)
    common *= _shared(boxes, objects, 1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)[:, None]
    union = area + (objects[:, 2:] - objects[:, :2]).prod(axis=1) - common
    if crowd is not None:
        union = np.where(crowd, area, union)
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def _shared(boxes: np.ndarray, objects: np.ndarray, axis: int) -> np.ndarray:
    """(D, G) px that each pair shares along x (0) or y (1)."""
    shared = np.minimum(boxes[:, None, axis + 2], objects[None, :, axis + 2])
    shared -= np.maximum(boxes[:, None, axis], objects[None, :, axis])
    return np.maximum(shared, 0, out=shared)


def match_by_score(iou: np.ndarray, scores: np.ndarray, iou_thr: float) -> np.ndarray:
    """(D,) the object that each detection finds, -1 for none.

    Each detection, highest score first, takes the free object it overlaps most. All detections choose at once and
    the highest score keeps the object; who lost chooses again (deferred acceptance). As every object ranks the
    detections alike, this ends in the matching that a loop over detections gives.

    Args:
        iou: (D, G); negative where a pair may not match.
        scores: (D,); of equal scores the first detection comes first.
    """
    match = np.full(len(scores), -1)
    if iou.size == 0:
        return match
    order = np.argsort(-scores, kind='stable')
    left = np.where(iou >= iou_thr, iou, -1.0)[order]
    rows, num_objects = np.arange(len(order)), iou.shape[1]
    while True:
        choice = num_objects - 1 - left[:, ::-1].argmax(axis=1)  # COCO takes the last of equal overlaps
        active = left[rows, choice] >= 0
        holder = np.full(num_objects, len(order))
        np.minimum.at(holder, choice[active], rows[active])
        lost = active & (holder[choice] != rows)
        if not lost.any():
            match[order] = np.where(active, choice, -1)
            return match
        left[rows[lost], choice[lost]] = -1.0
