"""Pictures of an evaluation for the report: truth and prediction side by side."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from plugins.sabra.relation_drawing import draw_relations

from ..relations import RelationNames

SHOWN, GAP = 4, 8  # images; px between them
SIDE = 480  # px, longer side of a picture


def truth_and_predictions(images: Sequence, names: RelationNames) -> dict[str, tuple[str, np.ndarray]]:
    """Heading -> (explanation, (H, W, 3) uint8 BGR); empty where no image has a picture.

    As many predicted relations are drawn as the truth has, and at least one: the best.

    Args:
        images: of the evaluation, with ``img_path``, ``truth`` (RelationImage) and ``result`` (RelationResult).
    """
    seen = [image for image in images if image.img_path and Path(image.img_path).is_file()]
    chosen = [seen[i] for i in np.unique(np.linspace(0, len(seen) - 1, SHOWN if seen else 0).round().astype(int))]
    if not chosen:
        return {}
    rows = [np.concatenate([fit(pane) for pane in panes(image, names)], 1) for image in chosen]
    note = (
        'Evenly spaced over the split. Left the truth, right the best predictions, as many as the truth has relations.'
    )
    return {'Relations': (note, np.concatenate(rows))}


def panes(image, names: RelationNames) -> tuple[np.ndarray, np.ndarray]:
    """The picture with its truth and with its predictions."""
    picture, truth, result = cv2.imread(image.img_path), image.truth, image.result
    best = np.argsort(-result.triplet_scores, kind='stable')[: max(len(truth.relations), 1)]
    left = draw_relations(
        picture, truth.boxes, truth.labels, None, names.objects, truth.relations, None, names.predicates
    )
    right = draw_relations(
        picture,
        result.boxes,
        result.labels,
        result.scores,
        names.objects,
        result.triplets[best],
        result.triplet_scores[best],
        names.predicates,
    )
    return left, right


def fit(picture: np.ndarray) -> np.ndarray:
    """On white paper of a fixed size."""
    factor = SIDE / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    paper = np.full((SIDE + GAP, SIDE + GAP, 3), 255, np.uint8)
    paper[: small.shape[0], : small.shape[1]] = small[:SIDE, :SIDE]
    return paper
