"""The detections of one image, and how they are selected from dense predictions, in numpy.

A anchors, K classes, D detections. Boxes are xyxy in pixels.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


class FieldValue(Protocol):
    """What a plugin's field holds where it is no array with a row for each detection: pairs, for one."""

    def where(self, kept: np.ndarray) -> 'FieldValue':
        """The value for the detections at ``kept`` (D,) bool alone."""


@dataclass(frozen=True)
class Detections:
    """Boxes of one image in descending order of score.

    Attributes:
        boxes: (D, 4) float32 xyxy, pixels of the original image.
        scores: (D,) float32, 0 to 1.
        labels: (D,) int64, index into ``names``.
        names: names of the classes in label order.
        fields: what else the model says, name -> (D, ...) array or :class:`FieldValue`; see result_field.py.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    fields: dict[str, np.ndarray | FieldValue] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, score_thr: float) -> 'Detections':
        """The detections whose score is greater than ``score_thr``."""
        return self.where(self.scores > score_thr)

    def where(self, kept: np.ndarray) -> 'Detections':
        """The detections at ``kept`` (D,) bool, with what their fields say of them."""
        fields = {
            name: value[kept] if isinstance(value, np.ndarray) else value.where(kept)
            for name, value in self.fields.items()
        }
        return Detections(self.boxes[kept], self.scores[kept], self.labels[kept], self.names, fields)


def select(boxes: np.ndarray, scores: np.ndarray, nms: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score threshold, class-wise NMS, the best ``max_per_class`` of each class, the best ``max_per_img`` of all.

    Args:
        boxes: (A, 4) xyxy. scores: (A, K).
        nms: the manifest's settings ``score_thr, iou_threshold, max_per_img, multi_label``; ``max_per_class`` may be
            missing: no limit.

    Returns:
        boxes (D, 4), scores (D,), labels (D,) in descending order of score.
    """
    kept = scores > nms['score_thr']
    if not nms['multi_label']:
        kept &= scores == scores.max(axis=1, keepdims=True)
    anchor, label = np.nonzero(kept)
    score = scores[anchor, label]
    order = np.argsort(-score, kind='stable')
    boxes, score, label = boxes[anchor[order]], score[order], label[order]
    chosen = greedy_nms(boxes, label, nms['iou_threshold'], nms['max_per_img'], nms.get('max_per_class'))
    return boxes[chosen], score[chosen], label[chosen].astype(np.int64)


def greedy_nms(
    boxes: np.ndarray, labels: np.ndarray, iou_threshold: float, limit: int, per_class: int | None = None
) -> np.ndarray:
    """Indices of the first ``limit`` boxes that no better kept box of their class covers by IoU > ``iou_threshold``.

    Of one class no more than the first ``per_class`` are kept; None is no limit.

    Args:
        boxes: (D, 4) xyxy in descending order of score. labels: (D,).

    Returns:
        (at most ``limit``,) int64, ascending. One pass over kept boxes, each against all at once.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    alive = np.ones(len(boxes), dtype=bool)
    kept, count = [], {}
    for i in range(len(boxes)):
        if not alive[i]:
            continue
        kept.append(i)
        if len(kept) == limit:
            break
        label = int(labels[i])
        count[label] = count.get(label, 0) + 1
        if count[label] == per_class:
            alive &= labels != label
            continue
        size = np.minimum(boxes[i, 2:], boxes[i + 1 :, 2:]) - np.maximum(boxes[i, :2], boxes[i + 1 :, :2])
        inter = np.prod(np.maximum(size, 0), axis=1)
        union = area[i] + area[i + 1 :] - inter
        alive[i + 1 :] &= (inter <= iou_threshold * union) | (labels[i + 1 :] != labels[i])
    return np.asarray(kept, dtype=np.int64)
