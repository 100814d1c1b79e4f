"""Relations between the detections of an image: a field of the detections, in numpy.

D detections, T relations, C predicates.
"""

from dataclasses import dataclass

import numpy as np

NO_OBJECT = -1


@dataclass(frozen=True)
class Relations:
    """Relations of one image in descending order of score.

    Attributes:
        triplets: (T, 3) int64: subject and object (positions of detections; NO_OBJECT: not in the picture), predicate.
        scores: (T,) float32, 0 to 1.
        names: names of the predicates.
    """

    triplets: np.ndarray
    scores: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, score_thr: float) -> 'Relations':
        """The relations whose score is greater than ``score_thr``."""
        kept = self.scores > score_thr
        return Relations(self.triplets[kept], self.scores[kept], self.names)

    def where(self, kept: np.ndarray) -> 'Relations':
        """The relations whose ends are among the detections ``kept`` (D,) bool, renumbered as those will be."""
        place = np.append(np.where(kept, kept.cumsum() - 1, -2), NO_OBJECT)  # position -1 stays NO_OBJECT
        triplets = self.triplets.copy()
        triplets[:, :2] = place[triplets[:, :2]]
        good = (triplets[:, :2] != -2).all(1)
        return Relations(triplets[good], self.scores[good], self.names)

    def dense(self, count: int) -> np.ndarray:
        """(D, D + 1, C) scores for ``count`` detections, 0 where there is no relation; the last column is no object."""
        scores = np.zeros((count, count + 1, len(self.names)), np.float32)
        scores[tuple(self.triplets.T)] = self.scores  # NO_OBJECT is the last column
        return scores


def relations_of(pairs: np.ndarray, intransitive: np.ndarray | None, names: tuple[str, ...]) -> Relations:
    """All relations with a score above 0.

    Args:
        pairs: (D, D, C) scores of subject, object, predicate.
        intransitive: (D, C) scores of predicates without object, or None.
    """
    alone = np.zeros((len(pairs), len(names)), np.float32) if intransitive is None else intransitive
    scores = np.concatenate([pairs, alone[:, None]], 1)
    triplets = np.argwhere(scores > 0)
    values = scores[tuple(triplets.T)]
    triplets[triplets[:, 1] == len(pairs), 1] = NO_OBJECT
    order = np.argsort(-values, kind='stable')
    return Relations(triplets[order], values[order], names)
