"""Fusion at inference: known names give way to "unknown" as far as a detection is strange. Needs no torch.

An object has one name: "unknown" above tau, else its known one. The other hypothesis is not lost: it is listed with a
tenth of its score, below the threshold of display and in its order, so that figures of ranked boxes see all of it.

Ours; OODFC (arXiv 2408.12355) fuses pseudo-labels of a training and relabels nothing at inference. torch's ``predict``
and the runtime of bundles both call :func:`fuse`. D detections of an image, K known classes, label K is "unknown".
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from detplug.images.greedy_suppression import survivors
from detplug.images.overlapping_pairs import overlapping_pairs

NAMED = 0.5  # u above which a detection is named unknown
ALTERNATIVE = 0.1  # of objectness times u, the score of an "unknown" that is not named so


@dataclass(frozen=True)
class FusedRule:
    """What decides about names.

    Attributes:
        classes: K.
        tau: strangeness above which a detection is named unknown; 1 names nothing unknown.
        iou: overlap above which an unknown and another box are one object.
        one_name: so are two boxes of different known classes.
        score_thr: fused scores up to it are dropped.
        max_per_img, max_per_class: detections an image, and of one class in it; None is no limit.
    """

    classes: int
    tau: float
    iou: float = 0.5
    one_name: bool = False
    score_thr: float = 0.0
    max_per_img: int | None = None
    max_per_class: int | None = None

    @classmethod
    def of(cls, entries: Mapping[str, Any]) -> 'FusedRule':
        """From a manifest's ``openset.fusion``, which may say more."""
        return cls(**{field.name: entries[field.name] for field in fields(cls) if field.name in entries})


class Fused(NamedTuple):
    """``index`` (F,) into the detections, ``scores`` and ``labels`` (F,), in descending order of score."""

    index: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


def strangeness_gate(ood: np.ndarray, tau: float) -> np.ndarray:
    """g(s), the odds of s over those of tau as a probability, of (D,) strangeness: 1/2 at tau; 0 for tau = 1.

    The threshold undoes the prior: whatever the scale of s, above tau an object is rather unknown than known.
    """
    if tau >= 1:
        return np.zeros_like(ood)
    more, less = ood * (1 - tau), (1 - ood) * tau
    gate = more / np.maximum(more + less, np.finfo(ood.dtype).tiny)
    return np.where(ood > tau, gate, np.minimum(gate, NAMED))  # rounding names nothing at tau


def fuse(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    ood: np.ndarray,
    objectness: np.ndarray,
    p_unknown: np.ndarray,
    rule: FusedRule,
) -> Fused:
    """The names and scores of an image's detections after fusion.

    u = 1 - (1 - p_unknown)(1 - g(ood)); each detection stays, with score (1 - g) where g is above 1/2: below, g
    would reorder the known ones for nothing. Where u is above 1/2 it is also one of
    "unknown" with objectness times u, and suppression leaves one kind of name an object, the one that scores more. Of
    the other kind the best box an object, or for known names each box, stays with ALTERNATIVE times its score.

    Args:
        boxes: (D, 4) xyxy, any unit.
        scores: (D,) of the labels, 0..1.
        labels: (D,) 0..K.
        ood: (D,) strangeness s, 0..1.
        objectness: (D,) probability that any object is there, 1 where a detector does not say.
        p_unknown: (D,) probability of the detector's own class "unknown" given an object, 0 where it has none.
    """
    gate = strangeness_gate(ood, rule.tau)
    chance = 1 - (1 - p_unknown) * (1 - gate)
    unknown, weakened = objectness * chance, np.where(gate > NAMED, scores * (1 - gate), scores)
    known = np.flatnonzero((labels != rule.classes) & (weakened > rule.score_thr))
    strange = np.flatnonzero(unknown > rule.score_thr)
    named = best_of_equal(boxes, unknown, strange[chance[strange] > NAMED])
    index = np.concatenate([known, named])
    score = np.concatenate([weakened[known], unknown[named]])
    label = np.concatenate([labels[known], np.full(len(named), rule.classes, labels.dtype)])
    order = ranked(boxes[index], score, label)
    index, score, label = index[order], score[order], label[order]
    pairs = overlapping_pairs(boxes, rule.iou)
    kept, lost = one_kind_of_name(boxes, index, label, pairs, rule)
    other = alternatives(boxes, unknown, strange, index[kept][label[kept] == rule.classes], pairs, rule)
    index = np.concatenate([index[kept], index[lost], other])
    score = np.concatenate([score[kept], ALTERNATIVE * score[lost], ALTERNATIVE * unknown[other]])
    label = np.concatenate([label[kept], label[lost], np.full(len(other), rule.classes, labels.dtype)])
    kept = ranked(boxes[index], score, label)
    if rule.max_per_class is not None:
        kept = kept[turn_in_class(label[kept]) < rule.max_per_class]
    kept = kept[: rule.max_per_img]
    return Fused(index[kept], score[kept], label[kept])


Pairs = tuple[np.ndarray, np.ndarray]  # (P,) indices of two detections that are one object, by overlap


def one_kind_of_name(
    boxes: np.ndarray, index: np.ndarray, labels: np.ndarray, pairs: Pairs, rule: FusedRule
) -> tuple[np.ndarray, np.ndarray]:
    """Greedy suppression between names that exclude each other, of E entries in descending order of score.

    "unknown" excludes every other box of the object, another "unknown" too; two known names exclude each other with
    ``one_name`` only.

    Args:
        index: (E,) detection of each entry. labels: (E,); a detection may be an entry by its name and by "unknown".

    Returns:
        what is kept, and the known entries that gave way to a kept one of "unknown"; both ascending.
    """
    unknown = labels == rule.classes
    known_at, unknown_at = np.full((2, len(boxes)), -1)
    known_at[index[~unknown]], unknown_at[index[unknown]] = np.flatnonzero(~unknown), np.flatnonzero(unknown)
    first, second = pairs
    rivals = [(known_at[first], known_at[second])] if rule.one_name else []
    if unknown.any():
        same = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))  # by both of its names
        rivals += [(known_at[first], unknown_at[second]), (known_at[second], unknown_at[first]),
                   (known_at[same], unknown_at[same]), (unknown_at[first], unknown_at[second])]  # fmt: skip
    if not rivals:
        return np.arange(len(labels)), np.zeros(0, np.int64)
    one, other = (np.concatenate(column) for column in zip(*rivals, strict=True))
    there = (one >= 0) & (other >= 0)
    one, other = one[there], other[there]
    exclude = unknown[one] | unknown[other] | (labels[one] != labels[other])
    better, worse = np.minimum(one, other)[exclude], np.maximum(one, other)[exclude]
    stays = survivors(better, worse, len(labels))
    lost = np.zeros(len(labels), bool)
    lost[worse[stays[better] & unknown[better]]] = True
    return np.flatnonzero(stays), np.flatnonzero(lost & ~unknown)


def alternatives(
    boxes: np.ndarray, unknown: np.ndarray, strange: np.ndarray, named: np.ndarray, pairs: Pairs, rule: FusedRule
) -> np.ndarray:
    """(A,) of ``strange``, the boxes that may be unknown: one an object, none on an object of ``named``."""
    other = best_of_equal(boxes, unknown, strange)
    other = np.setdiff1d(other, named, assume_unique=True) if len(named) else other
    other = other[ranked(boxes[other], unknown[other], np.zeros(len(other), int))][: rule.max_per_class]
    rows = np.concatenate([named, other])
    at = np.full(len(boxes), -1)
    at[rows] = np.arange(len(rows))
    one, two = at[pairs[0]], at[pairs[1]]
    there = (one >= 0) & (two >= 0)
    one, two = one[there], two[there]
    kept = survivors(np.minimum(one, two), np.maximum(one, two), len(rows))
    return rows[kept & (np.arange(len(rows)) >= len(named))]


def ranked(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Order by descending score; among equal scores by label and box, whatever order they came in."""
    order = np.argsort(-scores, kind='stable')
    ordered = scores[order]
    if (ordered[1:] == ordered[:-1]).any():
        return np.lexsort((*boxes.T, labels, -scores))
    return order


def best_of_equal(boxes: np.ndarray, scores: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Of ``chosen`` (n,) detections, for each different box the one with the best score."""
    if len(chosen) < 2:
        return chosen
    chosen = chosen[np.argsort(-scores[chosen], kind='stable')]
    keys = np.ascontiguousarray(boxes[chosen]).view(np.dtype((np.void, boxes.dtype.itemsize * 4))).ravel()
    return chosen[np.unique(keys, return_index=True)[1]]


def turn_in_class(labels: np.ndarray) -> np.ndarray:
    """(N,) how many of the same label come before."""
    order = np.argsort(labels, kind='stable')
    sorted_labels = labels[order]
    turn = np.empty(len(labels), int)
    turn[order] = np.arange(len(labels)) - np.searchsorted(sorted_labels, sorted_labels)
    return turn
