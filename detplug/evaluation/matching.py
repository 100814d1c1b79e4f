"""Which detection finds which object, as COCO counts it: by class, highest score first, each object once.

The matching itself is :mod:`detplug.runtime.matching`. Letters: D detections, G objects of the truth.
"""

import numpy as np

from detplug.evaluation.image_result import ImageResult, detection_order
from detplug.runtime.matching import match_by_score, overlaps


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
