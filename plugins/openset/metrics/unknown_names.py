"""Boxes named unknown: average precision, and recall and precision at a budget of such boxes an image. [ours]

Recall at a score threshold has no precision side: who names every box unknown as well has a high one. A budget asks
what a reader asks: of b boxes an image named unknown, how many are, and how much of the unknown do they hold?

U unknown objects, D boxes named unknown.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detplug.evaluation.coco_ap import box_metrics
from detplug.evaluation.image_result import ImageResult
from detplug.evaluation.matching import match_image

from .known_names import IOU
from .ranking import hits_at

BUDGETS = (0.2, 1, 3)  # boxes named unknown an image


def names_unknown(said: Sequence[bool], images: Sequence[ImageResult], classes: int) -> bool:
    """Whether the detector can name anything unknown (label K).

    Args:
        said: what the detector says of itself, the data samples' ``names_unknown``; empty where it says nothing: then
            a single box of label K shows that it can.
        classes: K.
    """
    return any(said) if len(said) else any((image.labels == classes).any() for image in images)


def unknown_figures(images: Sequence[ImageResult], max_dets: int) -> dict[str, float]:
    """unknown_ap, unknown_ap50; u_recall_b and precision_b of each budget b; nothing where no unknown object is.

    A second box on an object is a false one. Precision is left out where no box is named unknown.

    Args:
        images: of :func:`as_one_class`.
        max_dets: detections that count in an image, for the average precision.
    """
    objects = sum(int((~image.gt_ignored).sum()) for image in images)
    if not objects:
        return {}
    box_figures = box_metrics(images, ['unknown'], max_dets)
    figures = {'unknown_ap': box_figures['map'], 'unknown_ap50': box_figures['map50']}
    hits, scores = [np.zeros(0, bool)], [np.zeros(0)]
    for image in images:
        match, silent = match_image(image, IOU)
        hits.append(match[~silent] >= 0)
        scores.append(image.scores[~silent])
    hits, scores = np.concatenate(hits), np.concatenate(scores)
    for budget in BUDGETS:
        right = hits_at(hits, (scores,), budget * len(images))
        figures[f'u_recall_{budget}'] = right / objects
        if len(scores):
            figures[f'precision_{budget}'] = right / min(budget * len(images), len(scores))
    return figures


def as_one_class(image: ImageResult, unknown: np.ndarray, ignored: np.ndarray, label: int) -> ImageResult:
    """The boxes of ``label`` against the unknown objects, all of class 0.

    Args:
        unknown: (U, 4) xyxy px.
        ignored: (I, 4) unknown objects that do not count; neither do boxes on any other ignored object.
    """
    regions = np.concatenate([ignored, image.gt_boxes[image.gt_ignored]])
    truth = np.concatenate([unknown, regions])
    kept = image.labels == label
    return replace(
        image,
        gt_boxes=truth,
        gt_labels=np.zeros(len(truth), np.int64),
        gt_ignored=np.arange(len(truth)) >= len(unknown),
        gt_areas=(truth[:, 2:] - truth[:, :2]).prod(axis=1),
        boxes=image.boxes[kept],
        labels=np.zeros(int(kept.sum()), np.int64),
        scores=image.scores[kept],
        extra={},
    )
