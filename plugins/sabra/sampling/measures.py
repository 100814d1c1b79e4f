"""Measures that see what a sampler of proposals does: how well related pairs are separated from each kind of negatives.

All are of scored pairs, pooled over the images of a split, and ours. Recall at 50 relations an image hardly sees an
order of pairs (most images have fewer pairs), and false positives at that recall are counted in the tail of the
ranking, where every ranking looks alike; these count at the head of it.

Letters: P pairs of all images. Kinds are those of proposals.py: 0 related, 1..5 N1..N5; others must be left out before.
"""

from typing import NamedTuple

import numpy as np

KINDS = 5


class ScoredPairs(NamedTuple):
    """``image`` (P,) int, number of the image; ``score`` (P,) of the pair's best predicate; ``kind`` (P,) int 0..5."""

    image: np.ndarray
    score: np.ndarray
    kind: np.ndarray


def best_first(pairs: ScoredPairs) -> np.ndarray:
    """(P,) positions by descending score; of equal scores the negatives come first, so that ties win nothing."""
    return np.lexsort((pairs.kind == 0, -pairs.score))


def related_ap(pairs: ScoredPairs, against: int | None = None) -> float:
    """Average precision of "related" 0..1: the mean of the precisions at which the related pairs come.

    Args:
        against: the kind of negatives that counts alone; None: all.

    Returns:
        NaN where no pair is related.
    """
    order = best_first(pairs)
    kind = pairs.kind[order]
    kind = kind if against is None else kind[(kind == 0) | (kind == against)]
    right = kind == 0
    return float((right.cumsum() / np.arange(1, len(kind) + 1))[right].mean()) if right.any() else float('nan')


def false_positives(pairs: ScoredPairs, recall: float) -> np.ndarray:
    """(5,) int64: negatives N1..N5 above the score at which that share (0..1] of the related pairs is found."""
    kind = pairs.kind[best_first(pairs)]
    true_positives = (kind == 0).cumsum()
    wanted = np.ceil(recall * (true_positives[-1] if len(true_positives) else 0) - 1e-9)
    taken = kind[: np.searchsorted(true_positives, wanted) + 1] if wanted > 0 else kind[:0]
    return np.bincount(taken[taken > 0] - 1, minlength=KINDS)


def recall_in_images(pairs: ScoredPairs, top: int) -> float:
    """Share of the related pairs that are among the ``top`` best of their image; NaN where no pair is related."""
    order = best_first(pairs)
    order = order[np.argsort(pairs.image[order], kind='stable')]
    image, related = pairs.image[order], pairs.kind[order] == 0
    place = np.arange(len(order)) - np.searchsorted(image, image)
    return float((related & (place < top)).sum() / related.sum()) if related.any() else float('nan')


def pair_figures(pairs: ScoredPairs) -> dict[str, float]:
    """All of them, flat: related_ap, related_ap_nK; fp_25, fp_50, fp_75, fp_RR_nK; recall_5, recall_10, recall_20."""
    kinds = range(1, KINDS + 1)
    figures = {'related_ap': related_ap(pairs)} | {f'related_ap_n{kind}': related_ap(pairs, kind) for kind in kinds}
    for percent in (25, 50, 75):
        counts = false_positives(pairs, percent / 100)
        figures[f'fp_{percent}'] = float(counts.sum())
        figures |= {f'fp_{percent}_n{kind}': float(counts[kind - 1]) for kind in kinds}
    return figures | {f'recall_{top}': recall_in_images(pairs, top) for top in (5, 10, 20)}
