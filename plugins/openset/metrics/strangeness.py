"""What the OOD scores of the evaluated detector are worth: between objects, and as the order of a review queue."""

from collections.abc import Sequence

import numpy as np

from detplug.evaluation.image_result import ImageResult
from detplug.evaluation.matching import match_by_score, overlaps
from detplug.runtime.suppression import suppress

from .known_names import IOU
from .ranking import aupr, auroc, fpr95, hits_at

FIELD = 'ood_scores'  # of pred_instances: (D,) 0..1, higher is stranger
QUEUE = 100  # boxes


def strangeness_figures(
    images: Sequence[ImageResult], unknown: Sequence[np.ndarray], score_thr: float
) -> dict[str, float]:
    """auroc, fpr95, aupr, queue_recall; those that do not exist are left out, all without OOD scores.

    Args:
        unknown: (U, 4) boxes of the unknown objects of each image.
        score_thr: lowest score of a box in the queue.
    """
    if not all(FIELD in image.extra for image in images):
        return {}
    figures = {}
    known_scores, unknown_scores = object_scores(images, unknown)
    if len(known_scores) and len(unknown_scores):
        figures = {x.__name__: x(known_scores, unknown_scores) for x in (auroc, fpr95, aupr)}
    objects = sum(map(len, unknown))
    if objects:
        figures['queue_recall'] = queue_hits(images, unknown, score_thr) / objects
    return figures


def object_scores(images: Sequence[ImageResult], unknown: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """OOD scores of the boxes that find a known object, and of those that find an unknown one, whatever their names.

    Each object counts once, by the best-scored box that finds it.
    """
    parts = [np.zeros(0)], [np.zeros(0)]
    for image, boxes in zip(images, unknown, strict=True):
        known_truth = image.gt_boxes[~image.gt_ignored]
        match = match_by_score(overlaps(image.boxes, np.concatenate([known_truth, boxes])), image.scores, IOU)
        scores = np.asarray(image.extra[FIELD], np.float64)
        parts[0].append(scores[(match >= 0) & (match < len(known_truth))])
        parts[1].append(scores[match >= len(known_truth)])
    return np.concatenate(parts[0]), np.concatenate(parts[1])


def queue_hits(
    images: Sequence[ImageResult], unknown: Sequence[np.ndarray], score_thr: float, length: int = QUEUE
) -> float:
    """Unknown objects among the ``length`` strangest boxes of all images, as ``predict --queue strangest`` orders them.

    One box an object: the best-scored one of those that overlap. Of boxes that are equally strange the better score
    comes first; where that is equal too it is the mean over their orders.
    """
    hits, ood, scores = [np.zeros(0, bool)], [np.zeros(0)], [np.zeros(0)]
    for image, boxes in zip(images, unknown, strict=True):
        seen = np.flatnonzero(image.scores >= score_thr)
        seen = seen[suppress(image.boxes[seen], image.scores[seen], IOU)]
        scores_seen, strange = image.scores[seen], np.asarray(image.extra[FIELD], np.float64)[seen]
        order = np.lexsort([-scores_seen, -strange])
        known_truth = image.gt_boxes[~image.gt_ignored]
        iou = overlaps(image.boxes[seen[order]], np.concatenate([known_truth, boxes]))
        hits.append(match_by_score(iou, -np.arange(len(order)), IOU) >= len(known_truth))
        ood.append(strange[order])
        scores.append(scores_seen[order])
    return hits_at(np.concatenate(hits), (np.concatenate(ood), np.concatenate(scores)), length)
