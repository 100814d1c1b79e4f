"""Which detection finds which object, as COCO counts it: by class, highest score first, each object once.

Letters: D detections, G objects of the truth.
"""

import numpy as np

from detplug.evaluation.image_result import ImageResult, detection_order


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


def match_image(image: ImageResult, iou_thr: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Match the detections of an image with its objects of the same class.

    Returns:
        (D,) int64 object found by each detection, -1 for none, and (D,) bool detections that do not count because
        they find no object but lie on an ignored one.
    """
    same = image.labels[:, None] == image.gt_labels
    iou = np.where(same & ~image.gt_ignored, overlaps(image.boxes, image.gt_boxes), -1.0)
    order = detection_order(image)
    match = np.full(len(order), -1)
    match[order] = match_by_score(iou[order], image.scores[order], iou_thr)
    return match, (match < 0) & on_ignored(image, iou_thr)


def on_ignored(image: ImageResult, iou_thr: float, any_class: bool = False) -> np.ndarray:
    """(D,) bool: at least ``iou_thr`` of the detection lies on an ignored object of its class.

    Args:
        any_class: on an ignored object of whatever class. Ignored objects with a label that no class has count always.
    """
    regions = image.gt_boxes[image.gt_ignored]
    inside = overlaps(image.boxes, regions, np.ones(len(regions), bool)) >= iou_thr
    if not any_class:
        labels = image.gt_labels[image.gt_ignored]
        inside &= (image.labels[:, None] == labels) | (labels < 0)
    return inside.any(axis=1)
