"""Precision, recall and F1 of each class against the score from which a detection counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detplug.evaluation.image_result import ImageResult
from detplug.evaluation.matching import match_image


@dataclass(frozen=True)
class ClassCurve:
    """Operating points of one class, or of all classes pooled. M different scores, highest first.

    Args:
        objects: number of objects in the truth, ignored ones not counted.
        scores: (M,) the detections with at least this score count.
        precision: (M,) share of the counted detections that are right.
        recall: (M,) share of the objects that are found; 0 without objects.
    """

    objects: int
    scores: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def f1(self) -> np.ndarray:
        """(M,) harmonic mean of precision and recall, 0 where both are 0."""
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)

    @property
    def best(self) -> tuple[float, float] | None:
        """Score and F1 of the operating point with the highest F1; None without objects or detections."""
        if not self.objects or not self.scores.size:
            return None
        top = int(self.f1.argmax())
        return float(self.scores[top]), float(self.f1[top])


def class_curves(images: Sequence[ImageResult], num_classes: int, iou_thr: float = 0.5) -> list[ClassCurve]:
    """``num_classes`` curves, and last the curve of all classes pooled (each object weighs the same).

    Detections on ignored objects and of labels beyond the classes are not counted.
    """
    labels, scores, right = [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0, bool)]
    truth = [np.empty(0, np.int64)]
    for image in images:
        match, ignored = match_image(image, iou_thr)
        counts = ~ignored & (image.labels >= 0) & (image.labels < num_classes)
        labels.append(image.labels[counts])
        scores.append(image.scores[counts])
        right.append(match[counts] >= 0)
        truth.append(image.gt_labels[~image.gt_ignored])
    labels, scores, right = map(np.concatenate, (labels, scores, right))
    objects = np.bincount(np.concatenate(truth), minlength=num_classes)
    curves = [_curve(scores[labels == k], right[labels == k], int(objects[k])) for k in range(num_classes)]
    return [*curves, _curve(scores, right, int(objects.sum()))]


def _curve(scores: np.ndarray, right: np.ndarray, objects: int) -> ClassCurve:
    order = np.argsort(-scores, kind='stable')
    scores = scores[order]
    last = np.flatnonzero(np.diff(scores, append=-np.inf))  # equal scores count together
    true_positives = right[order].cumsum()[last]
    return ClassCurve(objects, scores[last], true_positives / (last + 1), true_positives / max(objects, 1))
