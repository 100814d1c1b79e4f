"""Numbers of objects a group with intervals, as counted and as corrected for what the detector misses and invents.

F pictures of a group, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .calibration import MEGAPIXEL, Calibration
from .intervals import bootstrap_interval, poisson_interval

DRAWS = 20_000
POISSON, BOOTSTRAP = 'poisson', 'bootstrap'


@dataclass(frozen=True)
class Estimate:
    """A number with its limits; ``method`` says how they were found."""

    value: float
    low: float
    high: float
    method: str = ''


@dataclass
class Group:
    """Counts of one slide, patient or folder.

    Attributes:
        names: the K classes.
        counts: (F, K) boxes from the thresholds on, of each picture.
        expected: (F, K) sum of the probabilities that these boxes are right; nan where scores are not calibrated.
        pixels: of all its pictures. failed: pictures that could not be read.
    """

    name: str
    names: tuple[str, ...]
    counts: np.ndarray
    expected: np.ndarray
    pixels: float
    failed: int = 0

    def count(self, classes: Sequence[str]) -> int:
        """Boxes of some classes together."""
        return int(self.of(classes).sum())

    def of(self, classes: Sequence[str]) -> np.ndarray:
        """(F,) boxes of some classes of each picture."""
        return self.counts[:, [self.names.index(name) for name in classes]].sum(1)


def counted(group: Group, classes: Sequence[str], method: str, confidence: float) -> Estimate:
    """The boxes of some classes, with limits of what so many pictures of such a slide hold on average.

    ``bootstrap`` draws whole pictures, so that clumped objects widen the limits; a single picture, or one in which
    nothing was counted, has nothing to draw and gets Poisson's limits.
    """
    fields, count = group.of(classes), group.count(classes)
    if method == BOOTSTRAP and len(fields) > 1 and count:
        limits = bootstrap_interval(fields[:, None], lambda sums: sums[:, 0], confidence)
        return Estimate(count, *limits, BOOTSTRAP)
    return Estimate(count, *poisson_interval(count, confidence), POISSON)


def true_number_draws(group: Group, name: str, calibration: Calibration, rng: np.random.Generator) -> np.ndarray:
    """(DRAWS,) numbers of objects of a class that are in the pictures, given how many were counted.

    The posterior of a count: false alarms are Poisson with a rate a megapixel (Jeffreys' prior, so that those of
    ``pixels`` are negative binomial), at most as many as were counted; each object is found with one probability
    (Jeffreys' prior), which makes the missed ones negative binomial. Both are taken as the same on every slide: what
    differs between slides more than on the validation pictures is not in the interval.
    """
    entry, count = calibration.classes[name], group.count([name])
    false = _false_alarms(entry.false_alarms, calibration.megapixels, group.pixels / MEGAPIXEL, count)
    right = count - rng.choice(len(false), DRAWS, p=false)
    recall = rng.beta(entry.found + 0.5, entry.objects - entry.found + 0.5, DRAWS)
    recall = np.maximum(recall, 1e-3)  # of a class without objects Jeffreys' prior has a pole at 0
    return right + rng.negative_binomial(right + 1, recall)


def estimate_of(draws: np.ndarray, confidence: float) -> Estimate:
    """Median and equal tails of draws."""
    tail = (1 - confidence) / 2
    low, middle, high = np.quantile(draws, [tail, 0.5, 1 - tail])
    return Estimate(float(middle), float(low), float(high), 'corrected')


def _false_alarms(seen: int, area: float, pixels: float, most: int) -> np.ndarray:
    """(most + 1,) probability of 0, 1, ... false alarms in ``pixels`` Mpx after ``seen`` ones in ``area`` Mpx."""
    number = np.arange(most)
    steps = np.log((number + seen + 0.5) / (number + 1)) + np.log(pixels / (pixels + area))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()
