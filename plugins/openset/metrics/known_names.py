"""Known names on unknown objects: A-OSE and Wilderness Impact, ours and OpenDet2's.

D detections of known classes over all images, K classes. Boxes are xyxy in pixels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from detplug.evaluation.image_result import ImageResult, detection_order
from detplug.evaluation.matching import match_image, overlaps

IOU = 0.5  # a detection lies on an object above it


class KnownDetections(NamedTuple):
    """Detections of known classes, (D,) each, and ``objects`` (K,) of the truth that are not ignored.

    ``right``: finds an object of its class, as COCO matches; ``silent``: finds none but lies on an ignored one.
    ``voc_right``, ``voc_silent``: as VOC matches, by the object of its class that it overlaps most.
    ``on_unknown``: best overlap with an unknown object above ``IOU``.
    """

    labels: np.ndarray
    scores: np.ndarray
    right: np.ndarray
    silent: np.ndarray
    voc_right: np.ndarray
    voc_silent: np.ndarray
    on_unknown: np.ndarray
    objects: np.ndarray

    def above(self, threshold: float) -> 'KnownDetections':
        """Those that score at least ``threshold``; who finds what does not change, the best choose first."""
        kept = self.scores >= threshold
        return KnownDetections(*(column[kept] for column in self[:-1]), self.objects)


def known_detections(images: Sequence[ImageResult], unknown: Sequence[np.ndarray], classes: int) -> KnownDetections:
    """The table of ``images``, whose detections are of known classes alone.

    Args:
        unknown: (U, 4) boxes of the unknown objects of each image.
    """
    parts, objects = [], np.zeros(classes, np.int64)
    for image, boxes in zip(images, unknown, strict=True):
        match, silent = match_image(image, IOU)
        on_unknown = (overlaps(image.boxes, boxes) > IOU).any(axis=1)
        parts.append((image.labels, image.scores, match >= 0, silent, *match_voc(image), on_unknown))
        objects += np.bincount(image.gt_labels[~image.gt_ignored], minlength=classes)[:classes]
    kinds = (np.int64, np.float64, *[bool] * 5)
    empty = tuple(np.zeros(0, kind) for kind in kinds)
    return KnownDetections(*map(np.concatenate, zip(empty, *parts, strict=True)), objects)


def match_voc(image: ImageResult) -> tuple[np.ndarray, np.ndarray]:
    """(D,) bool detections that are right, and that count for nothing, by VOC's rules.

    A detection asks only for the object of its class that it overlaps most, above ``IOU``: the best one that asks is
    right, the others wrong; on an ignored ("difficult") object it is neither.
    """
    right = np.zeros(len(image.labels), bool)
    if not len(image.gt_labels) or not len(right):
        return right, right.copy()
    iou = np.where(image.labels[:, None] == image.gt_labels, overlaps(image.boxes, image.gt_boxes), -1.0)
    best = iou.argmax(axis=1)
    asks = iou[np.arange(len(best)), best] > IOU
    silent = asks & image.gt_ignored[best]
    order = detection_order(image)
    order = order[(asks & ~silent)[order]]
    _, first = np.unique(best[order], return_index=True)
    right[order[first]] = True
    return right, silent


def absolute_open_set_error(known: KnownDetections, threshold: float) -> int:
    """A-OSE (Miller et al. 2018): known-class detections, score >= ``threshold``, that lie on an unknown object."""
    return int((known.on_unknown & (known.scores >= threshold)).sum())


def error_share(known: KnownDetections, threshold: float) -> float:
    """Known-class detections from ``threshold`` on: those on unknown objects / all of them; 0 without any."""
    return absolute_open_set_error(known, threshold) / max(int((known.scores >= threshold).sum()), 1)


def wilderness_impact(known: KnownDetections, recall: float = 0.8) -> float | None:
    """WI with the wrong detections on unknown objects alone [ours] / all detections [OWOD], a ratio of class means.

    Each class is cut at the detection whose recall is nearest to ``recall``. None where no class has a detection. Not
    the quantity of Dhamija et al. 2020, who divide by the detections of the closed test.
    """
    wrong = known.on_unknown & ~known.right
    return _impact(known, known.right, wrong, np.ones_like(wrong), ~known.silent, recall)


def wilderness_impact_opendet(known: KnownDetections, recall: float = 0.8) -> float | None:
    """WI as OpenDet2 and OWOD compute it (opendet2/evaluation/pascal_voc_evaluation.py), for published tables.

    Every detection on an unknown object counts, a right one too, and matching is VOC's. Their boxes are whole pixels
    from 1, whose "+ 1" gives the sides that ours have without; their rounding of scores (.001) and boxes (.1 px) is
    left out, and so are ignored unknown objects.
    """
    return _impact(known, known.voc_right, known.on_unknown, ~known.voc_silent, np.ones_like(known.on_unknown), recall)


def _impact(
    known: KnownDetections, right: np.ndarray, error: np.ndarray, counted: np.ndarray, listed: np.ndarray, recall: float
) -> float | None:
    """Mean over classes of errors up to the cut / mean of what is counted up to it; (D,) bool each."""
    order = np.argsort(-known.scores, kind='stable')
    order = order[listed[order]]
    errors, detections = [], []
    for label in np.flatnonzero(known.objects):
        mine = order[known.labels[order] == label]
        if not len(mine):
            continue
        cut = 1 + int(np.abs(right[mine].cumsum() / known.objects[label] - recall).argmin())
        errors.append(error[mine[:cut]].sum())
        detections.append(counted[mine[:cut]].sum())
    return float(np.mean(errors) / np.mean(detections)) if sum(detections) else None


def threshold_at_recall(known: KnownDetections, recall: float) -> float | None:
    """The highest score threshold at which the known classes are found at ``recall`` on average; None if none does.

    The mean over classes that have objects: of all objects together it would be the most frequent class's recall.
    """
    present = known.objects > 0
    weight = np.divide(1, known.objects * max(present.sum(), 1), out=np.zeros(len(present)), where=present)
    order = np.argsort(-known.scores, kind='stable')
    share = np.where(known.right, weight[known.labels], 0)[order].cumsum()
    reached = share >= recall - 1e-9
    return float(known.scores[order][reached.argmax()]) if reached.any() else None
