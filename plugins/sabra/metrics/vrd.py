"""VRD's recalls (Lu et al., ECCV 2016) and the false positives that a recall costs.

Letters: I images, T predicted relations, R relations of the truth; k predicates kept of a pair of boxes, N relations
kept of an image.

Recall is the number of relations found / the number in the truth, over all images, those without predictions included;
repeated relations and those of a box with itself count (7,638 in the test set). So does the released MATLAB script
since August 2016; its first release took length() of the relations, which is 3 for one or two of them, and divided by
7,776: the 13.86 % that the paper prints for R@50 are 14.11 % here.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from detplug.errors import UserError

from ..relations import RelationImage, RelationNames, RelationResult
from .columns import Columns, blocks, check_results, predicted_columns, truth_columns
from .matching import IOU, equal_pairs, match_free
from .overlap import around, paired_iou

TOPS = (50, 100)
KEPT = (1, 10, 70)  # 70: every predicate of VRD
RELATIONS = 'relations'  # of the truth, among the counts
BLOCK = 32  # images whose triplets are matched at once: bounds the memory
POSITIVE, KINDS = 0, 5  # kinds of pairs: 0 positive, N1 .. N5


def vrd_recall(
    images: Sequence[RelationImage], results: Sequence[RelationResult], names: RelationNames | None = None, **options
) -> dict[str, float]:
    """Recall of relationships and of phrases, 0 .. 1 (papers print percent).

    Predictions of an image by descending score; one takes, of the free relations with its labels of subject, object
    and predicate, that of largest overlap, if it is at least .5 (+1 pixels). Overlap of relationships: min(IoU of the
    subjects, IoU of the objects); of phrases: IoU of the boxes around both.

    Args:
        results: of ``images``, in their order.
        names: by which labels are checked.
        options: ``tops`` (N) and ``kept`` (k) of :func:`match_vrd`.

    Returns:
        relationship_rN_kK and phrase_rN_kK; nothing where the truth has no relation.
    """
    return recall_figures([match_vrd(*block, names, **options) for block in blocks(images, results, BLOCK)])


def match_vrd(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames | None = None,
    tops: Sequence[int] = TOPS,
    kept: Sequence[int] = KEPT,
) -> Counter:
    """Relations found, by figure, and those of the truth; see :func:`vrd_recall`."""
    overlaps = {'relationship': relation_overlap, 'phrase': phrase_overlap}
    return _recalled(images, results, names, overlaps, tops, kept)


def recall_figures(parts: Sequence[Counter]) -> dict[str, float]:
    """Recalls over all images from the counts of blocks of them; nothing where the truth has no relation."""
    total = Counter({name: 0 for part in parts for name in part})
    for part in parts:
        total.update(part)
    relations = total.pop(RELATIONS, 0)
    return {name: count / relations for name, count in total.items()} if relations else {}


def predicate_recall(
    images: Sequence[RelationImage], results: Sequence[RelationResult], names: RelationNames | None = None, **options
) -> dict[str, float]:
    """The recall of relationships where the model was given boxes, labels and pairs of the truth.

    That is the task of Lu et al.: which predicates hold between two annotated boxes, not which boxes are related.
    Two counts, because 160 of the 7,638 test relations repeat another:

    - predicate_rN_kK: a pair of boxes predicts each of its predicates once, so that a repeated relation is found once
      and several predicates of a pair need as large a k. At k = 1 at most 89.11 % of the test set can be found.
    - predicate_official_rN_kK: as predicate_detection.m has it, every row of the truth predicts the k best predicates
      of its pair, so that a pair with two rows predicts them twice, and a pair without a row nothing. At k = 1 at most
      91.18 %. The released predictions have 48.73 % by this count, 47.28 % by the other.

    Arguments as of :func:`vrd_recall`.

    Raises:
        UserError: an image's result has other labels than the truth, or a box that is half a pixel or more away.
    """
    return recall_figures([match_predicates(*block, names, **options) for block in blocks(images, results, BLOCK)])


def match_predicates(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames | None = None,
    tops: Sequence[int] = TOPS,
    kept: Sequence[int] = KEPT,
) -> Counter:
    """Relations found, by figure, and those of the truth; see :func:`predicate_recall`."""
    check_results(images, results, names)
    for image, result in zip(images, results, strict=True):
        same = np.array_equal(image.labels, result.labels)
        if not (same and (np.abs(image.boxes - result.boxes) < 0.5).all()):
            raise UserError(
                f'evaluation: image {image.img_id}: boxes: not those of the truth; predict on the boxes of the truth, '
                "or use the protocol 'vrd'"
            )
    once = _recalled(images, results, names, {'predicate': relation_overlap}, tops, kept)
    official = _recalled(images, results, names, {'predicate_official': relation_overlap}, tops, kept, rows_of_truth)
    return Counter({**once, **official})  # | of counters would lose zeros


def relation_overlap(predictions: Columns, truth: Columns) -> np.ndarray:
    """(P,) min(IoU of the subjects, IoU of the objects) of row i of both."""
    return np.minimum(
        paired_iou(predictions.subject_box, truth.subject_box), paired_iou(predictions.object_box, truth.object_box)
    )


def phrase_overlap(predictions: Columns, truth: Columns) -> np.ndarray:
    """(P,) IoU of the boxes around subject and object of row i of both."""
    return paired_iou(
        around(predictions.subject_box, predictions.object_box), around(truth.subject_box, truth.object_box)
    )


def best_triplets(result: RelationResult, kept: int, top: int | None = None) -> np.ndarray:
    """Positions of the triplets that remain, highest score first; of equal scores the first comes first.

    Args:
        kept: predicates of each (subject, object).
        top: triplets of the image; None: all.
    """
    order, rank = ranked_triplets(result)
    return order[rank < kept][:top]


def ranked_triplets(result: RelationResult) -> tuple[np.ndarray, np.ndarray]:
    """(T,) int64 positions of the triplets by descending score, and (T,) the rank of each within its pair, from 0."""
    order = np.argsort(-result.triplet_scores, kind='stable')
    subject, target, _ = result.triplets[order].T
    pairs = subject * (len(result.boxes) + 1) + target + 1
    pairs = pairs.astype(np.min_scalar_type(pairs.max(initial=0)))  # numbers of 16 bits are sorted ten times as fast
    by_pair = np.argsort(pairs, kind='stable')
    pairs = pairs[by_pair]
    first = np.flatnonzero(np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)])
    rank = np.empty(len(order), np.int64)
    rank[by_pair] = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(pairs)))
    return order, rank


def keep_triplets(result: RelationResult, rows: np.ndarray) -> RelationResult:
    """The result with the triplets at these positions, in their order."""
    return replace(result, triplets=result.triplets[rows], triplet_scores=result.triplet_scores[rows])


def rows_of_truth(image: RelationImage, result: RelationResult, kept: np.ndarray) -> np.ndarray:
    """Positions of triplets by descending score, where each row of the truth predicts the triplets of its pair.

    Args:
        kept: positions of the triplets that may be predicted, by descending score.
    """
    _, which = equal_pairs(tuple(image.relations[:, :2].T), tuple(result.triplets[kept, :2].T))
    predicted = kept[which]  # row after row, the order of equal scores in the script
    return predicted[np.argsort(-result.triplet_scores[predicted], kind='stable')]


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
            :data:`plugins.sabra.proposals.NEGATIVES`. Triplets with a negative kind are left out: nobody annotated
            them.

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
    predictions = predicted_columns(
        images, [keep_triplets(result, row) for result, row in zip(results, rows, strict=True)]
    )
    predictions, kind = predictions.where(kind >= 0), kind[kind >= 0]
    truth = truth_columns(images)
    right = _match(predictions, truth, relation_overlap) >= 0
    order = np.argsort(-predictions.score, kind='stable')
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


def _recalled(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames | None,
    overlaps: dict[str, Callable],
    tops: Sequence[int],
    kept: Sequence[int],
    repeat: Callable | None = None,
) -> Counter:
    """NAME_rN_kK -> relations found, for each name -> overlap in ``overlaps``; RELATIONS -> those of the truth."""
    truth = truth_columns(images, names)
    check_results(images, results, names)  # all of them, before any is left out
    counts = Counter({RELATIONS: len(truth)})
    ranked = [ranked_triplets(result) for result in results]
    for k in kept:
        best = [order[rank < k] for order, rank in ranked]
        if repeat is not None:
            best = [repeat(*each) for each in zip(images, results, best, strict=True)]
        best = [keep_triplets(result, rows[: max(tops)]) for result, rows in zip(results, best, strict=True)]
        predictions = predicted_columns(images, best)
        place = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(result.triplets)) for result in best)])
        for name, overlap in overlaps.items():
            hit = _match(predictions, truth, overlap) >= 0  # the first N match alike without the others
            counts.update({f'{name}_r{top}_k{k}': int(hit[place < top].sum()) for top in tops})
    return counts


def _match(predictions: Columns, truth: Columns, overlap) -> np.ndarray:
    """(T,) int64 the relation that each prediction finds, -1 for none."""
    i, j = equal_pairs(predictions.name, truth.name)
    shared = overlap(predictions.where(i), truth.where(j))
    near = shared >= IOU
    return match_free(i[near], j[near], shared[near], predictions.score)
