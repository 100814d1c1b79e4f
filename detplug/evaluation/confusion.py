"""Confusion matrix of detections: which class is taken for which, what is missed, what is made up.

Score .25 and IoU .45 are the customary operating point of YOLO's confusion matrices. One detection and one object
belong together by overlap alone, whatever their classes; that the largest overlap goes first, then the highest
score, is ours.
"""

from collections.abc import Sequence

import numpy as np

from detplug.evaluation.image_result import ImageResult, detection_order
from detplug.evaluation.matching import on_ignored, overlaps


def confusion_matrix(
    images: Sequence[ImageResult], num_classes: int, score_thr: float = 0.25, iou_thr: float = 0.45
) -> np.ndarray:
    """(K+1, K+1) int64 counts; row = truth, column = prediction, the last of both = background.

    Row K counts detections without object, column K objects without detection. Ignored objects are not counted,
    nor are detections that meet only such objects.
    """
    size = num_classes + 1
    counts = np.zeros(size * size, np.int64)
    for image in images:
        kept = (image.scores >= score_thr) & (image.labels >= 0) & (image.labels < num_classes)
        objects = image.gt_boxes[~image.gt_ignored]
        truth = image.gt_labels[~image.gt_ignored]
        order = detection_order(image)
        order = order[kept[order]]
        match = match_by_overlap(overlaps(image.boxes[order], objects), iou_thr)
        matched = match >= 0
        extra = ~matched & ~on_ignored(image, iou_thr, any_class=True)[order]
        missed = np.setdiff1d(np.arange(len(truth)), match)
        rows = np.concatenate([truth[match[matched]], truth[missed], np.full(extra.sum(), num_classes)])
        columns = np.concatenate(
            [image.labels[order][matched], np.full(len(missed), num_classes), image.labels[order][extra]]
        )
        counts += np.bincount(rows * size + columns, minlength=size * size)
    return counts.reshape(size, size)


def match_by_overlap(iou: np.ndarray, iou_thr: float) -> np.ndarray:
    """(D,) object of each detection, -1 for none: of all free pairs the one with the largest overlap goes first.

    Pairs that prefer each other go at once; of equal overlaps the first detection wins.

    Args:
        iou: (D, G).
    """
    match = np.full(len(iou), -1)
    if iou.size == 0:
        return match
    left = np.where(iou >= iou_thr, iou, -1.0)
    while left.max() >= 0:
        object_of, detection_of = left.argmax(axis=1), left.argmax(axis=0)
        detections = np.arange(len(iou))
        mutual = (detection_of[object_of] == detections) & (left[detections, object_of] >= 0)
        match[mutual] = object_of[mutual]
        left[mutual] = -1.0
        left[:, object_of[mutual]] = -1.0
    return match
