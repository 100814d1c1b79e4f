"""Greedy suppression of which only the pairs that exclude each other are known."""

import numpy as np


def survivors(better: np.ndarray, worse: np.ndarray, count: int) -> np.ndarray:
    """(count,) bool: what greedy suppression keeps where ``better[i]`` excludes ``worse[i]``, (P,) indices each.

    In rounds instead of one by one: what has no better rival left stays, and removes its rivals; what was removed
    removes nothing. Pairs follow one order of all, so that there is a first in each group; a pair with itself is none.
    """
    pair = better != worse
    better, worse = better[pair], worse[pair]
    removed = np.zeros(count, bool)
    while len(worse):
        blocked = removed.copy()
        blocked[worse] = True
        removed[worse[~blocked[better]]] = True
        left = ~(removed[better] | removed[worse])
        better, worse = better[left], worse[left]
    return ~removed
