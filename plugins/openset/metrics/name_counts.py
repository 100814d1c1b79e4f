"""What objects are called by the boxes that a reader sees: each by the best box on it. [ours]

A-OSE counts boxes, these count objects: of U unknown ones how many are named unknown and how many have a known name
(the others have no box), of G known ones how many are named unknown. D detections of an image.
"""

from collections.abc import Sequence

import numpy as np

from detplug.evaluation.image_result import ImageResult
from detplug.evaluation.matching import overlaps

from .known_names import IOU

NONE = -1


def name_counts(
    images: Sequence[ImageResult], unknown: Sequence[np.ndarray], label: int, score_thr: float
) -> dict[str, int]:
    """unknown_objects, unknown_named, unknown_misnamed, known_objects and known_lost, the known ones named unknown.

    Args:
        unknown: (U, 4) boxes of the unknown objects of each image.
        label: of "unknown".
        score_thr: lowest score of a box that is shown.
    """
    known = [names_of(image, image.gt_boxes[~image.gt_ignored], score_thr) for image in images]
    others = [names_of(image, boxes, score_thr) for image, boxes in zip(images, unknown, strict=True)]
    known, others = (np.concatenate([np.zeros(0, int), *x]) for x in (known, others))
    return {
        'unknown_objects': len(others),
        'unknown_named': int((others == label).sum()),
        'unknown_misnamed': int(((others != label) & (others != NONE)).sum()),
        'known_objects': len(known),
        'known_lost': int((known == label).sum()),
    }


def names_of(image: ImageResult, objects: np.ndarray, score_thr: float) -> np.ndarray:
    """(G,) label of the best-scored box that overlaps each of (G, 4) objects by more than ``IOU``, NONE without one."""
    shown = image.scores >= score_thr
    if not shown.any():
        return np.full(len(objects), NONE)
    scores = np.where(overlaps(objects, image.boxes[shown]) > IOU, image.scores[shown], 0.0)
    return np.where(scores.max(1) > 0, image.labels[shown][scores.argmax(1)], NONE)
