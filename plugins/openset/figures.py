"""Figures of open-set detection, each as a function of arrays; ``OpenSetMetric`` puts them together.

D detections of known classes, U unknown objects of the truth. Boxes are xyxy in pixels. Score: of an OOD score, higher
is stranger.
"""

from collections.abc import Sequence

import numpy as np

from detplug.evaluation.image_result import ImageResult
from detplug.evaluation.matching import match_image, overlaps

IOU = 0.5  # a detection lies on an object above it


def auroc(known: np.ndarray, unknown: np.ndarray) -> float:
    """Probability that an unknown box scores above a known one, ties counting half; both need a box."""
    below = np.searchsorted(np.sort(known), unknown, side='left')
    up_to = np.searchsorted(np.sort(known), unknown, side='right')
    return float((below + up_to).sum() / (2 * len(known) * len(unknown)))


def fpr95(known: np.ndarray, unknown: np.ndarray) -> float:
    """Share of the unknown boxes that pass as known at the lowest threshold that lets 95 % of the known ones pass."""
    threshold = np.sort(known)[int(np.ceil(0.95 * len(known))) - 1]
    return float((unknown <= threshold).mean())


def aupr(known: np.ndarray, unknown: np.ndarray) -> float:
    """Average precision of finding the unknown boxes: sum over thresholds of recall gained times precision."""
    scores = np.concatenate([known, unknown])
    positive = np.concatenate([np.zeros(len(known)), np.ones(len(unknown))])
    order = np.argsort(-scores, kind='stable')
    last = np.append(np.diff(scores[order]) != 0, True)  # boxes of one score are taken together
    found = positive[order].cumsum()[last]
    taken = np.flatnonzero(last) + 1
    return float((np.diff(found, prepend=0) / len(unknown) * found / taken).sum())


def on_unknown(image: ImageResult, unknown: np.ndarray) -> np.ndarray:
    """(D,) bool: the detection's best overlap with one of the (U, 4) unknown boxes is above ``IOU``."""
    return (overlaps(image.boxes, unknown) > IOU).any(axis=1)


def absolute_open_set_error(images: Sequence[ImageResult], unknown: Sequence[np.ndarray], threshold: float) -> int:
    """A-OSE (Miller et al. 2018): known-class detections, score >= ``threshold``, that lie on an unknown object."""
    return sum(
        int((on_unknown(image, boxes) & (image.scores >= threshold)).sum())
        for image, boxes in zip(images, unknown, strict=True)
    )


def wilderness_impact(
    images: Sequence[ImageResult], unknown: Sequence[np.ndarray], classes: int, recall: float = 0.8
) -> float | None:
    """WI (Dhamija et al. 2020): wrong detections on unknown objects / all detections, a ratio of means over classes.

    Each class is cut at the detection whose recall is nearest to ``recall``. None where no class has a detection.
    """
    on_unknowns, detections = [], []
    for label in range(classes):
        right, open_error, objects = class_detections(images, unknown, label)
        if not objects or not len(right):
            continue
        cut = int(np.abs(right.cumsum() / objects - recall).argmin())
        on_unknowns.append(open_error[: cut + 1].sum())
        detections.append(cut + 1)
    return float(np.mean(on_unknowns) / np.mean(detections)) if detections else None


def class_detections(
    images: Sequence[ImageResult], unknown: Sequence[np.ndarray], label: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Detections of a class over all images, best first: found an object, wrong and on an unknown one; its objects.

    Detections that lie on an ignored object and find none are left out.
    """
    scores, right, wrong, objects = [np.zeros(0)], [np.zeros(0, bool)], [np.zeros(0, bool)], 0
    for image, boxes in zip(images, unknown, strict=True):
        match, silent = match_image(image, IOU)
        mine = (image.labels == label) & ~silent
        scores.append(image.scores[mine])
        right.append(match[mine] >= 0)
        wrong.append((match[mine] < 0) & on_unknown(image, boxes)[mine])
        objects += int(((image.gt_labels == label) & ~image.gt_ignored).sum())
    order = np.argsort(-np.concatenate(scores), kind='stable')
    return np.concatenate(right)[order], np.concatenate(wrong)[order], objects


def threshold_at_recall(images: Sequence[ImageResult], classes: int, recall: float) -> float | None:
    """The highest score threshold at which the known classes are found at ``recall`` on average; None if none does.

    The mean over classes that have objects: of all objects together it would be the most frequent class's recall.
    """
    scores, share, objects = [np.zeros(0)], [np.zeros(0)], np.zeros(classes)
    for image in images:
        objects += np.bincount(image.gt_labels[~image.gt_ignored], minlength=classes)[:classes]
    weight = np.divide(1, objects * max((objects > 0).sum(), 1), out=np.zeros(classes), where=objects > 0)
    for image in images:
        match, _ = match_image(image, IOU)
        scores.append(image.scores)
        share.append(np.where(match >= 0, weight[image.labels], 0))
    scores, share = np.concatenate(scores), np.concatenate(share)
    order = np.argsort(-scores, kind='stable')
    reached = share[order].cumsum() >= recall - 1e-9
    return float(scores[order][reached.argmax()]) if reached.any() else None


def error_share(images: Sequence[ImageResult], unknown: Sequence[np.ndarray], threshold: float) -> float:
    """Known-class detections from ``threshold`` on: those on unknown objects / all of them; 0 without any."""
    detections = sum(int((image.scores >= threshold).sum()) for image in images)
    return absolute_open_set_error(images, unknown, threshold) / max(detections, 1)
