"""What the errors of relation predictions are, and what each kind costs: TIDE (Bolya et al., ECCV 2020) for relations.

The kinds are those by which HOI papers argue, the definitions are ours. A box is right when it overlaps an object of
the truth by at least .5 (+1 pixels) and has its class; "no object" is right. By descending score a prediction takes, of
the free relations with its predicate of which both boxes are right, the one of largest overlap. Any other prediction is
an error of the first kind that fits, in the order of :data:`KINDS`; a relation that no prediction takes, and that no
error below could take were it mended, is missed.

The gain of a kind is the mean average precision with its errors mended minus that without: an error of subject, object
or predicate takes the best free relation that it would then find, or is removed; association, both and duplicate are
removed; a missed relation is not asked for. Gains do not add up, as in TIDE. The best :data:`TOP` predictions of an
image count.

Letters: T predictions, G relations of the truth, P pairs of the two in one image, C classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..metrics.average_precision import all_point, class_ap
from ..metrics.columns import Columns, blocks, predicted_columns, truth_columns
from ..metrics.matched import Matched, blocks_of, matched
from ..metrics.matching import IOU, equal_pairs, match_free
from ..metrics.overlap import paired_iou
from ..metrics.vrd import best_triplets, keep_triplets
from ..relations import NO_OBJECT, RelationImage, RelationNames, RelationResult

RIGHT, MISSED = 'right', 'missed'
KINDS = {
    'duplicate': 'a relation that a higher score has taken',
    'predicate': 'a related pair with another predicate',
    'association': 'both boxes right, the pair is not related',
    'subject': 'the subject box or its class is wrong',
    'object': 'the object box or its class is wrong',
    'both': 'both boxes are wrong',
    MISSED: 'a relation without any prediction of the kinds predicate, subject, object',
}
BLOCK = 16  # images at once: bounds the memory
TOP = 300  # predictions of an image, best first; the others are left out


class Diagnosis(NamedTuple):
    """``ap``: mean AP of this matching; ``right``: true positives; kind -> errors, and kind -> AP gained if mended."""

    ap: float
    right: int
    counts: dict[str, int]
    gains: dict[str, float]


@dataclass(frozen=True)
class Rules:
    """What a class is and which labels are compared.

    Args:
        ap: of a class.
        subject_label, object_label: compared or, as in V-COCO's script, not.
        top: predictions of an image, best first.
    """

    ap: Callable[[np.ndarray, int], float] = all_point
    subject_label: bool = True
    object_label: bool = True
    top: int = TOP


def diagnose(
    images: Sequence[RelationImage], results: Sequence[RelationResult], names: RelationNames, rules: Rules | None = None
) -> Diagnosis | None:
    """The diagnosis; None without truth.

    Args:
        results: of ``images``, in their order.

    Raises:
        UserError: bad indices.
    """
    rules = rules or Rules()
    parts = [_block(*block, names, rules) for block in blocks(images, results, BLOCK)]
    ap = {name: _mean_ap(rules.ap, [mended[name] for mended, _ in parts]) for name in (RIGHT, *KINDS)}
    if np.isnan(ap[RIGHT]):
        return None
    counts = {name: sum(count[name] for _, count in parts) for name in (RIGHT, *KINDS)}
    gains = {name: (1.0 if np.isnan(ap[name]) else ap[name]) - ap[RIGHT] for name in KINDS}
    return Diagnosis(ap[RIGHT], counts.pop(RIGHT), counts, gains)


def _block(
    images: Sequence[RelationImage], results: Sequence[RelationResult], names: RelationNames, rules: Rules
) -> tuple[dict[str, Matched], dict[str, int]]:
    """RIGHT or the mended kind -> ranking; RIGHT or kind -> how many."""
    truth = truth_columns(images, names)
    predicted_columns(images, results, names)  # all are checked, before any is left out
    kept = [keep_triplets(x, best_triplets(x, len(x.triplets), rules.top)) for x in results]
    detections = predicted_columns(images, kept)
    ends = _Ends(detections, truth, rules)
    match = ends.take(ends.subject & ends.object & ends.predicate, np.ones(len(truth), bool))
    kind = _kinds(ends, match, images, rules)
    free = ~np.isin(np.arange(len(truth)), match)
    could = {
        'predicate': ends.subject & ends.object,
        'subject': ends.object & ends.predicate,
        'object': ends.subject & ends.predicate,
    }
    of_kind = {name: near & (kind[ends.i] == name) for name, near in could.items()}
    reached = np.zeros(len(truth), bool)
    for near in of_kind.values():
        reached[ends.j[near]] = True
    missed = free & ~reached
    ranking = _Ranking(len(images), detections, truth, names)
    rankings = {RIGHT: ranking.of(match)}
    for name in KINDS:
        if name == MISSED:
            rankings[name] = ranking.of(match, asked=~missed)
            continue
        wrong = kind == name
        mended = ends.take(of_kind[name], free) if name in of_kind else np.full(len(detections), -1)
        rankings[name] = ranking.of(np.where(wrong, mended, match), kept=~wrong | (mended >= 0))
    counts = {name: int((kind == name).sum()) for name in (RIGHT, *KINDS)}
    return rankings, counts | {MISSED: int(missed.sum())}


class _Ends:
    """(P,) pairs ``i``, ``j`` of a prediction and a relation of its image, and which ends of them agree."""

    def __init__(self, detections: Columns, truth: Columns, rules: Rules) -> None:
        self.detections = detections
        self.i, self.j = equal_pairs((detections.image,), (truth.image,))
        a, b = detections.where(self.i), truth.where(self.j)
        first, second = paired_iou(a.subject_box, b.subject_box), paired_iou(a.object_box, b.object_box)
        none = (a.object == NO_OBJECT) & (b.object == NO_OBJECT)
        some = (a.object != NO_OBJECT) & (b.object != NO_OBJECT)
        self.overlap = np.where(none, first, np.minimum(first, second))
        self.subject = (first >= IOU) & (~np.bool_(rules.subject_label) | (a.subject_label == b.subject_label))
        same = ~np.bool_(rules.object_label) | (a.object_label == b.object_label)
        self.object = none | (some & (second >= IOU) & same)
        self.predicate = a.predicate == b.predicate

    def take(self, near: np.ndarray, free: np.ndarray) -> np.ndarray:
        """(T,) the relation each prediction takes of those that are ``near`` (P,) and ``free`` (G,), -1 for none."""
        near = near & free[self.j]
        return match_free(self.i[near], self.j[near], self.overlap[near], self.detections.score)

    def any(self, near: np.ndarray) -> np.ndarray:
        """(T,) bool: the prediction has a pair that is ``near`` (P,)."""
        return np.bincount(self.i[near], minlength=len(self.detections)) > 0


def _kinds(ends: _Ends, match: np.ndarray, images: Sequence[RelationImage], rules: Rules) -> np.ndarray:
    """(T,) text, RIGHT or the kind of each prediction."""
    x, full = ends.detections, ends.subject & ends.object
    subject = _on_object(x.image, x.subject_box, x.subject_label, images, rules.subject_label)
    target = _on_object(x.image, x.object_box, x.object_label, images, rules.object_label) | (x.object == NO_OBJECT)
    cases = [
        (match >= 0, RIGHT),
        (ends.any(full & ends.predicate), 'duplicate'),
        (ends.any(full), 'predicate'),
        (subject & target, 'association'),
        (target, 'subject'),
        (subject, 'object'),
    ]
    conditions, words = zip(*cases, strict=True)
    return np.select(conditions, words, 'both').astype(object)


def _on_object(
    image: np.ndarray, box: np.ndarray, label: np.ndarray, images: Sequence[RelationImage], labelled: bool
) -> np.ndarray:
    """(T,) bool: the box overlaps an object of the truth, of its class where that is compared."""
    owner = np.repeat(np.arange(len(images)), [len(x.boxes) for x in images])
    boxes = np.concatenate([np.zeros((0, 4)), *(x.boxes for x in images)])
    labels = np.concatenate([np.zeros(0, np.int64), *(x.labels for x in images)])
    i, j = equal_pairs((image, label), (owner, labels)) if labelled else equal_pairs((image,), (owner,))
    near = paired_iou(box[i], boxes[j]) >= IOU
    return np.bincount(i[near], minlength=len(image)) > 0


class _Ranking:
    """Makes rankings of the predictions of a block by the class of each: predicate, or (object, predicate)."""

    def __init__(self, images: int, detections: Columns, truth: Columns, names: RelationNames) -> None:
        self.images, self.detections, self.names = images, detections, names
        self.kind, self.truth_kind = self._classes(detections), self._classes(truth)

    def of(self, match: np.ndarray, kept: np.ndarray | None = None, asked: np.ndarray | None = None) -> Matched:
        """The ranking where predictions take the relations ``match`` (T,), -1 for none.

        Args:
            kept: (T,) bool, predictions that remain.
            asked: (G,) bool, relations that are asked for.
        """
        right = match >= 0
        kind = np.where(right, self.truth_kind[np.where(right, match, 0)] if len(self.truth_kind) else -1, self.kind)
        kept = (kind >= 0) & (True if kept is None else kept)
        asked = self.truth_kind[(self.truth_kind >= 0) & (True if asked is None else asked)]
        objects = np.bincount(asked, minlength=self._count())
        detections = self.detections
        return matched(self.images, detections.image[kept], kind[kept], detections.score[kept], [right[kept]], objects)

    def _count(self) -> int:
        return len(self.names.predicates if self.names.triplets is None else self.names.triplets)

    def _classes(self, columns: Columns) -> np.ndarray:
        if self.names.triplets is None:
            return columns.predicate
        table = np.full((len(self.names.objects) + 1, len(self.names.predicates)), -1)  # last row: without object
        table[tuple(self.names.triplets.T)] = np.arange(len(self.names.triplets))
        return table[columns.object_label, columns.predicate]


def _mean_ap(ap: Callable, parts: list[Matched]) -> float:
    values = class_ap(ap, blocks_of(parts))
    return float(np.nanmean(values)) if not np.isnan(values).all() else np.nan
