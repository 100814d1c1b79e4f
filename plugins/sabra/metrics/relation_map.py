"""Mean average precision of relations, for a user's own data; the definition is ours.

Letters: T predicted relations, R relations of the truth, C predicates.
"""

from collections.abc import Sequence

import numpy as np

from ..relations import RelationImage, RelationNames, RelationResult
from .average_precision import all_point, class_ap, mean_figures
from .columns import Columns, blocks, predicted_columns, truth_columns
from .matched import Matched, matched
from .matching import IOU, equal_pairs, match_free
from .overlap import paired_iou

BLOCK = 128  # images whose detections are matched at once: bounds the memory


def relation_map(
    images: Sequence[RelationImage], results: Sequence[RelationResult], names: RelationNames
) -> dict[str, float]:
    """Average precision of each predicate over all images, 0 .. 1.

    By descending score a prediction takes, of the free relations with its labels of subject, object and predicate, that
    of largest overlap, if min(IoU of the subjects, IoU of the objects) is at least .5 (no pixel is added: corners are
    points). A relation without object asks for a prediction without object, and the subject alone must overlap. Equal
    rows of the truth are one relation. A prediction that takes none is left out when its subject lies, IoU at least
    .5, on an object of its class whose relations nobody annotated. Average precision at all points.

    Args:
        results: of ``images``, in their order.

    Returns:
        ``map``, the mean over the predicates that the truth has, and ap/PREDICATE for these.

    Raises:
        UserError: an index or a label out of range, a number that is not finite.
    """
    return map_figures([match_relations(*block, names) for block in blocks(images, results, BLOCK)], names)


def match_relations(
    images: Sequence[RelationImage], results: Sequence[RelationResult], names: RelationNames
) -> Matched:
    """The detections that count, right or wrong; see :func:`relation_map`."""
    truth, predictions = truth_columns(images, names), predicted_columns(images, results, names)
    truth = truth.where(_once(truth))
    i, j = equal_pairs(predictions.name, truth.name)
    overlap = np.minimum(
        paired_iou(predictions.subject_box[i], truth.subject_box[j], extra=0),
        paired_iou(predictions.object_box[i], truth.object_box[j], extra=0),
    )
    near = overlap >= IOU
    right = match_free(i[near], j[near], overlap[near], predictions.score) >= 0
    counts = right | ~_on_unannotated(images, predictions)
    objects = np.bincount(truth.predicate, minlength=len(names.predicates))
    predictions, right = predictions.where(counts), right[counts]
    return matched(len(images), predictions.image, predictions.predicate, predictions.score, [right], objects)


def map_figures(parts: Sequence[Matched], names: RelationNames) -> dict[str, float]:
    """The figures of :func:`relation_map` from the blocks of :func:`match_relations`."""
    ap = class_ap(all_point, parts)
    single = {f'ap/{name}': ap[[p]] for p, name in enumerate(names.predicates)}
    return mean_figures({'map': ap} | single)


def _once(truth: Columns) -> np.ndarray:
    """Positions of the relations, of equal ones the first."""
    rows = np.stack([truth.subject, truth.object, truth.predicate], axis=1)
    return np.sort(np.unique(rows, axis=0, return_index=True)[1])


def _on_unannotated(images: Sequence[RelationImage], predictions: Columns) -> np.ndarray:
    """(T,) bool: the subject lies on an object of its class whose relations nobody annotated."""
    silent = [~image.annotated for image in images]
    owner = np.repeat(np.arange(len(images)), [int(chosen.sum()) for chosen in silent])
    label = np.concatenate([np.zeros(0, np.int64), *(x.labels[rows] for x, rows in zip(images, silent, strict=True))])
    box = np.concatenate([np.zeros((0, 4)), *(x.boxes[rows] for x, rows in zip(images, silent, strict=True))])
    i, j = equal_pairs((predictions.image, predictions.subject_label), (owner, label))
    lies = np.zeros(len(predictions), bool)
    lies[i[paired_iou(predictions.subject_box[i], box[j], extra=0) >= IOU]] = True
    return lies
