"""Slides that a count calls positive or negative, against the truth: sensitivity, specificity, limit of detection.

Limit of blank and of detection as CLSI EP17 names them: the count that 95 % of negative groups do not exceed, and the
burden at which 95 % of groups are positive. The second is computed from the model, for few data show it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .intervals import Interval, exact_interval, poisson_cdf, wilson_interval

SHARE = 0.95
LARGEST = 100_000  # burden up to which a limit of detection is looked for
INTERVALS = {'wilson': wilson_interval, 'exact': exact_interval}


@dataclass(frozen=True)
class Share:
    """``hits`` of ``trials``, with limits; ``value`` is nan for no trial."""

    hits: int
    trials: int
    limits: Interval

    @property
    def value(self) -> float:
        """The share itself."""
        return self.hits / self.trials if self.trials else float('nan')


@dataclass(frozen=True)
class Diagnosis:
    """How well counts tell positive groups from negative ones.

    Attributes:
        positive_from: count from which on a group is positive.
        false_on_negative: count of each negative group, by name.
        limit_of_blank: None without a negative group.
        limit_of_detection: objects in a group; None where no burden up to :data:`LARGEST` is surely seen, or where
            false alarms alone do that.
        found: counted objects a true one, false alarms of a negative group taken off; None without a positive group.
    """

    positive_from: int
    sensitivity: Share
    specificity: Share
    false_on_negative: dict[str, int]
    limit_of_blank: int | None
    limit_of_detection: int | None
    found: float | None


def diagnose(
    counts: Mapping[str, int], truth: Mapping[str, int], positive_from: int, interval: str, confidence: float
) -> Diagnosis:
    """Judge groups by their counts.

    Args:
        counts, truth: group -> counted and true number of the target classes together.
        interval: wilson or exact, for sensitivity and specificity.
    """
    negative = {name: counts[name] for name in counts if truth[name] == 0}
    positive = [name for name in counts if truth[name] > 0]
    hits = sum(counts[name] >= positive_from for name in positive)
    passed = sum(count < positive_from for count in negative.values())
    false = float(np.mean(list(negative.values()))) if negative else 0.0
    found = None
    if positive:
        right = sum(counts[name] for name in positive) - false * len(positive)
        found = min(1.0, max(0.0, right / sum(truth[name] for name in positive)))
    return Diagnosis(
        positive_from,
        _share(hits, len(positive), interval, confidence),
        _share(passed, len(negative), interval, confidence),
        negative,
        limit_of_blank(list(negative.values())) if negative else None,
        limit_of_detection(found, false, positive_from) if found else None,
        found,
    )


def limit_of_blank(counts: Sequence[int]) -> int:
    """The smallest count that at least 95 % of the negative groups do not exceed."""
    ordered = sorted(counts)
    return ordered[int(np.ceil(SHARE * len(ordered) - 1e-9)) - 1]


def limit_of_detection(found: float, false: float, positive_from: int) -> int | None:
    """The smallest burden that makes at least ``positive_from`` detections in 95 % of groups, None for none.

    Detections are Poisson with the mean ``false`` + ``found`` x burden; that found and invented ones vary no more than
    that is an assumption.
    """

    def seen(burden: int) -> bool:
        return poisson_cdf(positive_from - 1, false + found * burden) <= 1 - SHARE

    if seen(0) or not seen(LARGEST):
        return None
    low, high = 0, LARGEST  # not seen at low, seen at high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


def _share(hits: int, trials: int, interval: str, confidence: float) -> Share:
    return Share(hits, trials, INTERVALS[interval](hits, trials, confidence))
