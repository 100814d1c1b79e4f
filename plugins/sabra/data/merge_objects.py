"""Objects that were annotated anew for every relation (HICO-DET) become one object each; ours.

HICO-DET draws a person again for every verb: 56,786 objects of its test file are 32,916 after this rule. For training
alone: official evaluations count the annotations as they stand.

Letters: N objects, M objects after merging.
"""

from dataclasses import replace

import numpy as np

from detplug.evaluation.matching import overlaps

from ..relations import NO_OBJECT, RelationImage


def merge_objects(image: RelationImage, apart: np.ndarray, iou: float) -> tuple[RelationImage, np.ndarray]:
    """The image with its duplicates merged, and (M,) int64, the first old index of each new object.

    In their order, an object joins the first one of its class that overlaps it by at least ``iou``; the box of the
    first stays. The two ends of a relation are never one object. Relations follow their objects, equal ones become one.

    Args:
        apart: (N,) bool: objects that join nothing (crowds, boxes without area).
    """
    first = leaders(image, apart, iou)
    kept = np.unique(first)
    new = np.append(np.searchsorted(kept, first), NO_OBJECT)  # the last is of NO_OBJECT
    relations = image.relations.copy()
    relations[:, :2] = new[relations[:, :2]]
    annotated = np.zeros(len(kept), bool)
    np.logical_or.at(annotated, new[:-1], image.annotated)
    merged = replace(
        image,
        boxes=image.boxes[kept],
        labels=image.labels[kept],
        relations=np.unique(relations, axis=0).reshape(-1, 3),
        annotated=annotated,
    )
    return merged, kept


def leaders(image: RelationImage, apart: np.ndarray, iou: float) -> np.ndarray:
    """(N,) int64: the object that each one joins, itself where it joins none."""
    count = len(image.labels)
    near = (overlaps(image.boxes, image.boxes) >= iou) & (image.labels[:, None] == image.labels)
    near &= ~(apart[:, None] | apart)
    related = np.zeros((count, count), bool)
    pairs = image.relations[image.relations[:, 1] != NO_OBJECT, :2]
    related[pairs[:, 0], pairs[:, 1]] = related[pairs[:, 1], pairs[:, 0]] = True
    first = np.arange(count)
    for at in np.flatnonzero(np.tril(near, -1).any(1)):
        for leader in np.flatnonzero(near[at, :at] & (first[:at] == np.arange(at))):
            if not related[at, first == leader].any():
                first[at] = leader
                break
    return first
