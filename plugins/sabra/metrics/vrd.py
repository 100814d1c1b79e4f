"""VRD's recalls (Lu et al., ECCV 2016) and the false positives that a recall costs.

Letters: I images, T predicted relations, R relations of the truth; k predicates kept of a pair of boxes, N relations
kept of an image.

Recall is the number of relations found / the number in the truth, over all images, those without predictions included;
repeated relations and those of a box with itself count (7,638 in the test set). The released MATLAB script divides by
7,776, because its length() of one or two relations is 3: the 13.86 % that the paper prints for R@50 are 14.11 % here.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detplug.errors import UserError

from ..relations import RelationImage, RelationNames, RelationResult
from .columns import Columns, check_results, predicted_columns, truth_columns
from .matching import IOU, equal_pairs, match_free
from .overlap import around, paired_iou

TOPS = (50, 100)
KEPT = (1, 10, 70)  # 70: every predicate of VRD
POSITIVE, KINDS = 0, 5  # kinds of pairs: 0 positive, N1 .. N5


def vrd_recall(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames | None = None,
    tops: Sequence[int] = TOPS,
    kept: Sequence[int] = KEPT,
) -> dict[str, float]:
    """Recall of relationships and of phrases, 0 .. 1 (papers print percent).

    Predictions of an image by descending score; one takes, of the free relations with its labels of subject, object
    and predicate, that of largest overlap, if it is at least .5 (+1 pixels). Overlap of relationships: min(IoU of the
    subjects, IoU of the objects); of phrases: IoU of the boxes around both.

    Args:
        results: of ``images``, in their order.
        names: by which labels are checked.
        tops: N.
        kept: k.

    Returns:
        relationship_rN_kK and phrase_rN_kK; nothing where the truth has no relation.
    """
    return _recalls(images, results, names, {'relationship': relation_overlap, 'phrase': phrase_overlap}, tops, kept)


def predicate_recall(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames | None = None,
    tops: Sequence[int] = TOPS,
    kept: Sequence[int] = KEPT,
) -> dict[str, float]:
    """predicate_rN_kK: the recall of relationships where the model was given boxes, labels and pairs of the truth.

    That is the task of Lu et al.: which predicates hold between two annotated boxes, not which boxes are related.

    Raises:
        UserError: an image's result has other labels than the truth, or a box that is half a pixel or more away.
    """
    check_results(images, results, names)
    for image, result in zip(images, results, strict=True):
        same = np.array_equal(image.labels, result.labels)
        if not (same and (np.abs(image.boxes - result.boxes) < 0.5).all()):
            raise UserError(
                f'evaluation: image {image.img_id}: boxes: not those of the truth; predict on the boxes of the truth, '
                "or use the protocol 'vrd'"
            )
    return _recalls(images, results, names, {'predicate': relation_overlap}, tops, kept)


def relation_overlap(found: Columns, truth: Columns) -> np.ndarray:
    """(P,) min(IoU of the subjects, IoU of the objects) of row i of both."""
    return np.minimum(paired_iou(found.subject_box, truth.subject_box), paired_iou(found.object_box, truth.object_box))


def phrase_overlap(found: Columns, truth: Columns) -> np.ndarray:
    """(P,) IoU of the boxes around subject and object of row i of both."""
    return paired_iou(around(found.subject_box, found.object_box), around(truth.subject_box, truth.object_box))


def best_triplets(result: RelationResult, kept: int, top: int | None = None) -> np.ndarray:
    """Positions of the triplets that remain, highest score first; of equal scores the first comes first.

    Args:
        kept: predicates of each (subject, object).
        top: triplets of the image; None: all.
    """
    order = np.argsort(-result.triplet_scores, kind='stable')
    subject, target, _ = result.triplets[order].T
    _, pair = np.unique(subject * (len(result.boxes) + 1) + target, return_inverse=True)
    by_pair = np.argsort(pair, kind='stable')
    start = np.searchsorted(pair[by_pair], pair[by_pair])
    rank = np.empty(len(order), np.int64)
    rank[by_pair] = np.arange(len(order)) - start
    return order[rank < kept][:top]


def false_positives_at_recall(
    images: Sequence[RelationImage], results: Sequence[RelationResult], recall: float, kinds: Sequence[np.ndarray]
) -> dict[str, int] | None:
    """False positives among the fewest best predictions of all images that reach ``recall``.

    Each pair of boxes gives its best predicate; all images' predictions together are taken by descending score until
    they have found that share of the relations, each relation once (the match of :func:`vrd_recall`).

    Args:
        results: of ``images``, in their order.
        recall: 0 .. 1, of the relations of all images.
        kinds: for each image (T,) int, the kind of the pair of each of its triplets: 0 positive, 1 .. 5 for N1 .. N5 of
            :data:`plugins.sabra.proposals.NEGATIVES`. Triplets with a negative kind are left out: nobody judged them.

    Returns:
        ``false_positives``, of these ``n1`` .. ``n5`` by kind and ``positive``: a related pair with a wrong predicate,
        or found before; ``predictions`` that were taken. None where the recall is never reached.

    Raises:
        UserError: not one kind a triplet, a kind above 5, bad indices.
    """
    for image, result, kind in zip(images, results, kinds, strict=True):
        if len(kind) != len(result.triplets) or np.max(kind, initial=0) > KINDS:
            raise UserError(
                f'evaluation: image {image.img_id}: kinds: {len(kind)} for {len(result.triplets)} triplets, at most '
                f'{KINDS}; give the kind of the pair of each triplet'
            )
    rows = [best_triplets(result, 1) for result in results]
    kind = np.concatenate([np.zeros(0, np.int64), *(kind[row] for kind, row in zip(kinds, rows, strict=True))])
    found = predicted_columns(images, [_keep(result, row) for result, row in zip(results, rows, strict=True)])
    found, kind = found.where(kind >= 0), kind[kind >= 0]
    truth = truth_columns(images)
    right = _match(found, truth, relation_overlap) >= 0
    order = np.argsort(-found.score, kind='stable')
    reached = np.append(0, right[order].cumsum()) / max(len(truth), 1) >= recall
    if not reached.any():
        return None
    taken = order[: reached.argmax()]
    counts = np.bincount(kind[taken][~right[taken]], minlength=KINDS + 1)
    by_kind = {f'n{number}': int(counts[number]) for number in range(1, KINDS + 1)}
    return (
        {'false_positives': int(counts.sum()), 'positive': int(counts[POSITIVE])}
        | by_kind
        | {'predictions': len(taken)}
    )


def _recalls(images, results, names, overlaps, tops, kept) -> dict[str, float]:
    """NAME_rN_kK for each name -> overlap in ``overlaps``."""
    truth = truth_columns(images, names)
    check_results(images, results, names)  # all of them, before any is left out
    if not len(truth):
        return {}
    figures = {}
    for k in kept:
        best = [_keep(result, best_triplets(result, k, max(tops))) for result in results]
        found = predicted_columns(images, best)
        place = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(result.triplets)) for result in best)])
        for name, overlap in overlaps.items():
            hit = _match(found, truth, overlap) >= 0  # the first N match alike without the others
            figures |= {f'{name}_r{top}_k{k}': int(hit[place < top].sum()) / len(truth) for top in tops}
    return figures


def _match(found: Columns, truth: Columns, overlap) -> np.ndarray:
    """(T,) int64 the relation that each prediction finds, -1 for none."""
    i, j = equal_pairs(found.name, truth.name)
    shared = overlap(found.where(i), truth.where(j))
    near = shared >= IOU
    return match_free(i[near], j[near], shared[near], found.score)


def _keep(result: RelationResult, rows: np.ndarray) -> RelationResult:
    return replace(result, triplets=result.triplets[rows], triplet_scores=result.triplet_scores[rows])
