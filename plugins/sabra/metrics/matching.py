"""Which prediction finds which relation of the truth, over all images at once.

Letters: T predictions, G relations (or objects) of the truth, P pairs of the two that may match.
"""

import math
from collections.abc import Sequence

import numpy as np

IOU = 0.5  # least overlap of a match, in every protocol
LARGEST_KEY = 2**62  # of rows of integers that are compared as one int64


def equal_pairs(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All (i, j) for which row i of the columns ``left`` equals row j of the columns ``right``.

    Args:
        left: columns (T,) of integers from -1 on.
        right: as many columns (G,).

    Returns:
        (P,) int64 i and (P,) int64 j, ordered by i, then by j.
    """
    left_key, right_key = (np.zeros(len(side[0]), np.int64) for side in (left, right))
    sizes = [2 + int(max(a.max(initial=-1), b.max(initial=-1))) for a, b in zip(left, right, strict=True)]
    if math.prod(sizes) > LARGEST_KEY:
        left, right, sizes = _numbered(left, right)
    for a, b, size in zip(left, right, sizes, strict=True):
        left_key, right_key = left_key * size + a + 1, right_key * size + b + 1
    order = np.argsort(right_key, kind='stable')
    first, last = (np.searchsorted(right_key[order], left_key, side) for side in ('left', 'right'))
    count = last - first
    i = np.repeat(np.arange(len(count)), count)
    return i, order[np.arange(len(i)) + np.repeat(first - (count.cumsum() - count), count)]


def _numbered(
    left: Sequence[np.ndarray], right: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray], list[int]]:
    """The columns with their values numbered from 0, so that a row fits into one key, and how many each has."""
    columns = [np.unique(np.concatenate(pair), return_inverse=True) for pair in zip(left, right, strict=True)]
    count = len(left[0])
    numbers = [inverse for _, inverse in columns]
    sizes = [1 + len(values) for values, _ in columns]
    if math.prod(sizes) > LARGEST_KEY:  # many rows and columns: number the rows themselves
        _, rows = np.unique(np.stack(numbers, axis=1), axis=0, return_inverse=True)
        numbers, sizes = [rows.reshape(-1)], [1 + int(rows.max(initial=0)) + 1]
    return [x[:count] for x in numbers], [x[count:] for x in numbers], sizes


def best_partner(i: np.ndarray, j: np.ndarray, overlap: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The partner of largest overlap, whether or not another prediction takes it too; of equal ones the first.

    Args:
        i, j: (P,) from :func:`equal_pairs`.
        overlap: (P,).
        count: T.

    Returns:
        (T,) int64 the partner, -1 for none, and (T,) float64 the overlap with it, 0 for none.
    """
    partner, largest = np.full(count, -1), np.zeros(count)
    if len(i):
        starts = np.flatnonzero(np.diff(i, prepend=-1))
        largest[i[starts]] = np.maximum.reduceat(overlap, starts)
        best = np.flatnonzero(overlap == largest[i])[::-1]
        partner[i[best]] = j[best]  # of several the first is written last
    return partner, largest


def first_takers(target: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(T,) bool: of all predictions with the same target, the one with the highest score.

    Args:
        target: (T,) int64, -1 for none.
        scores: (T,); of equal scores the first prediction comes first.
    """
    rows = np.flatnonzero(target >= 0)
    order = rows[np.lexsort((-scores[rows], target[rows]))]
    chosen = np.zeros(len(target), bool)
    chosen[order[np.diff(target[order], prepend=-1) != 0]] = True
    return chosen


def match_free(i: np.ndarray, j: np.ndarray, overlap: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(T,) int64: each prediction, highest score first, takes the free partner of largest overlap; -1 for none.

    All predictions choose at once and the highest score keeps the partner; who lost goes on to the next one (deferred
    acceptance). As every partner ranks the predictions alike, this ends where a loop over predictions ends.

    Args:
        i, j: (P,) from :func:`equal_pairs`, of those pairs only that overlap enough.
        overlap: (P,); of equal ones the first partner comes first.
        scores: (T,); of equal scores the first prediction comes first.
    """
    rank = np.empty(len(scores), np.int64)
    rank[np.argsort(-scores, kind='stable')] = np.arange(len(scores))
    wish = j[np.lexsort((j, -overlap, i))]  # i is sorted already: its blocks stay where they are
    end = np.searchsorted(i, np.arange(len(scores)), 'right')
    place = np.searchsorted(i, np.arange(len(scores)), 'left')
    holder = np.full(j.max(initial=-1) + 1, len(scores))
    asking = np.flatnonzero(place < end)
    while len(asking):
        np.minimum.at(holder, wish[place[asking]], rank[asking])
        asking = np.flatnonzero(place < end)
        asking = asking[holder[wish[place[asking]]] != rank[asking]]
        place[asking] += 1
        asking = asking[place[asking] < end[asking]]
    match = np.full(len(scores), -1)
    served = place < end
    match[served] = wish[place[served]]
    return match
