"""The one form of every relation data set and of every prediction; numpy only.

Letters: N objects of an image, R relations of the truth, D detections, T predicted relations.
A relation is (subject, object, predicate); its object may be missing (V-COCO's roles that are not in the picture).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

NO_OBJECT = -1  # in place of an object's index: the predicate holds, its object is not in the picture


@dataclass
class RelationImage:
    """Truth of one image.

    Args:
        img_id: as in the annotation file.
        file_name: of the picture; '' where there is none.
        width, height: px.
        boxes: (N, 4) float32 xyxy px, as the data set gives them.
        labels: (N,) int64, index of the object class.
        relations: (R, 3) int64: subject and object (indices into boxes; object may be NO_OBJECT), predicate. Repeated
            rows and rows whose subject is their object are kept: official denominators count them.
        annotated: (N,) bool: False where nobody annotated what the object does as a subject (V-COCO's other persons):
            nothing that is predicted for it is right or wrong.
    """

    img_id: Any
    file_name: str
    width: int
    height: int
    boxes: np.ndarray
    labels: np.ndarray
    relations: np.ndarray
    annotated: np.ndarray


@dataclass(frozen=True)
class RelationNames:
    """Names of a relation data set.

    Args:
        objects: object classes, by label.
        predicates: by label.
        triplets: (C, 2) int64 (object label, predicate) that exist, HICO-DET's 600 classes; None where any may.
        rare: (C,) bool, HICO-DET's rare classes; None where nobody counts them apart.
    """

    objects: tuple[str, ...]
    predicates: tuple[str, ...]
    triplets: np.ndarray | None = None
    rare: np.ndarray | None = None


@dataclass
class RelationSet:
    """A split: names, images, and a line ``KIND: WHERE: details`` for each anomaly that was found in the files."""

    names: RelationNames
    images: list[RelationImage]
    anomalies: list[str] = field(default_factory=list)


@dataclass
class RelationResult:
    """What a model says of one image.

    Args:
        boxes: (D, 4) float32 xyxy px of the original image.
        labels: (D,) int64.
        scores: (D,) float32, of the detector.
        triplets: (T, 3) int64: subject and object (indices into boxes; object may be NO_OBJECT), predicate.
        triplet_scores: (T,) float32, of the whole relation.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    triplets: np.ndarray
    triplet_scores: np.ndarray


def truth_as_result(image: RelationImage, score: float = 1.0) -> RelationResult:
    """The prediction that is the truth: every relation once, with ``score``."""
    relations = np.unique(image.relations, axis=0) if len(image.relations) else image.relations
    return RelationResult(
        image.boxes,
        image.labels,
        np.full(len(image.boxes), score, np.float32),
        relations,
        np.full(len(relations), score, np.float32),
    )


def relation_image(
    img_id: Any,
    file_name: str,
    size: tuple[int, int],
    boxes: Sequence,
    labels: Sequence[int],
    relations: Sequence,
    annotated: Sequence[bool] | None = None,
) -> RelationImage:
    """A :class:`RelationImage` from lists, empty ones included; ``size`` is (width, height)."""
    return RelationImage(
        img_id,
        file_name,
        *size,
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(labels, np.int64).reshape(-1),
        np.asarray(relations, np.int64).reshape(-1, 3),
        np.ones(len(labels), bool) if annotated is None else np.asarray(annotated, bool).reshape(-1),
    )
