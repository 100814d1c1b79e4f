"""Two boxes on one object that a detector makes in some tiles and not in others. The rule is ours.

D detections of all tiles, G objects.
"""

from typing import NamedTuple

import numpy as np

from detplug.images.box_geometry import area, paired_intersection
from detplug.images.greedy_suppression import survivors

AGREEMENT = 0.5  # least IoU of two boxes inside the shared pixels


class Pairs(NamedTuple):
    """P pairs of detections of two tiles: (P,) int64 each, and how well they agree (P,), more is better."""

    first: np.ndarray
    second: np.ndarray
    agreement: np.ndarray


def is_double(
    boxes: np.ndarray, scores: np.ndarray, asked: np.ndarray, group: np.ndarray, rivals: Pairs, tile: np.ndarray
) -> np.ndarray:
    """(G,) bool: another object with a higher score agrees, and no tile reports both, or fewer tiles report this one.

    Args:
        boxes, scores: (G, 4), (G,) of the objects.
        asked: (G,) bool, objects that may be doubles of one another: those that a tile sees whole.
        group, tile: (D,) int64, object and tile of each detection.
        rivals: pairs of detections of two tiles that agree, whatever their names.

    A detector doubles an object now and then; every tile is one more chance to. What all of them report as two stays.
    """
    pairs = np.unique(np.sort(np.stack([group[rivals.first], group[rivals.second]], 1), 1), axis=0)
    pairs = pairs[(pairs[:, 0] != pairs[:, 1]) & asked[pairs].all(1)]
    a, b = boxes[pairs[:, 0]], boxes[pairs[:, 1]]
    shared = paired_intersection(a, b)
    pairs = pairs[shared >= AGREEMENT * (area(a) + area(b) - shared)]
    score, times = scores[pairs], np.bincount(group, minlength=len(scores))
    lower, higher = np.where(score[:, :1] < score[:, 1:], pairs, pairs[:, ::-1]).T  # of equal ones the later
    weaker = ~_seen_together(pairs, group, tile) | (times[lower] < times[higher])
    return ~survivors(higher[weaker], lower[weaker], len(scores))


def _seen_together(pairs: np.ndarray, group: np.ndarray, tile: np.ndarray) -> np.ndarray:
    """(P,) bool: a tile has a view of both objects of a pair (P, 2)."""
    order = np.argsort(group, kind='stable')
    start = np.searchsorted(group[order], np.arange(group.max(initial=-1) + 2))
    count = np.diff(start)[pairs[:, 0]]
    row = np.repeat(np.arange(len(pairs)), count)
    view = order[
        np.repeat(start[pairs[:, 0]], count) + np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    ]
    key = int(tile.max(initial=0)) + 1
    both = np.isin(pairs[row, 1] * key + tile[view], group * key + tile)
    return np.bincount(row[both], minlength=len(pairs)) > 0
