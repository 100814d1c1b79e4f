"""Figures of an order: how far up the things that are looked for stand. Each is a function of arrays.

Scores: higher is earlier. What scores alike has no order, so figures are the mean over all orders of it (McSherry and
Najork, ECIR 2008): a detector that says the same of everything scores the base rate, whatever order its boxes come in.
"""

import numpy as np


def hits_at(hits: np.ndarray, keys: tuple[np.ndarray, ...], count: float) -> float:
    """Hits among the first ``count`` of D, the mean over the orders of those that are equal in all keys.

    Args:
        hits: (D,) bool.
        keys: (D,) each, the first decides, the next among its equals.
        count: how many are taken; of a fraction the hit counts in part, more than D are D.
    """
    order = np.lexsort([-key for key in keys[::-1]])
    changes = np.any([np.diff(key[order]) != 0 for key in keys], axis=0)
    ends = np.flatnonzero(np.append(changes, [True] * bool(len(order))))
    return float(np.interp(count, [0, *(ends + 1)], [0, *hits[order].cumsum()[ends]]))


def auroc(known: np.ndarray, unknown: np.ndarray) -> float:
    """Probability that an unknown box scores above a known one, ties counting half; both need a box."""
    below = np.searchsorted(np.sort(known), unknown, side='left')
    up_to = np.searchsorted(np.sort(known), unknown, side='right')
    return float((below + up_to).sum() / (2 * len(known) * len(unknown)))


def fpr95(known: np.ndarray, unknown: np.ndarray) -> float:
    """Share of the unknown boxes that pass as known at the lowest threshold that lets 95 % of the known ones pass."""
    threshold = np.sort(known)[int(np.ceil(0.95 * len(known))) - 1]
    return float((unknown <= threshold).mean())


def aupr(known: np.ndarray, unknown: np.ndarray) -> float:
    """Average precision of finding the unknown boxes: sum over thresholds of recall gained times precision.

    A score at random has the share of the unknown boxes (.0035 on malaria), which AUROC does not show.
    """
    scores = np.concatenate([known, unknown])
    positive = np.concatenate([np.zeros(len(known)), np.ones(len(unknown))])
    order = np.argsort(-scores, kind='stable')
    last = np.append(np.diff(scores[order]) != 0, True)  # boxes of one score are taken together
    true_positives = positive[order].cumsum()[last]
    taken = np.flatnonzero(last) + 1
    return float((np.diff(true_positives, prepend=0) / len(unknown) * true_positives / taken).sum())
