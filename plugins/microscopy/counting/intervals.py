"""Confidence intervals of counts, shares and ratios.

Exact limits are found by bisection on the tail of the distribution, so that no more than numpy is needed.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

STEPS = 200  # of a bisection at most; it ends when a double does not change any more
Interval = tuple[float, float]


def poisson_interval(count: int, confidence: float = 0.95) -> Interval:
    """Exact limits of the mean of a Poisson variable that was ``count`` (Garwood 1936)."""
    tail = (1 - confidence) / 2
    above = 10.0 + 2 * count + 10 * math.sqrt(count) - math.log(tail)  # beyond both limits
    low = 0.0 if count == 0 else _root(lambda mean: 1 - poisson_cdf(count - 1, mean) < tail, 0.0, above)
    return low, _root(lambda mean: poisson_cdf(count, mean) > tail, 0.0, above)


def poisson_cdf(count: int, mean: float) -> float:
    """Probability that a Poisson variable of ``mean`` is at most ``count``."""
    if mean == 0 or count < 0:
        return float(count >= 0)
    logs = np.concatenate([[0.0], np.cumsum(math.log(mean) - np.log(np.arange(1, count + 1)))]) - mean
    return min(1.0, float(np.exp(logs).sum()))


def wilson_interval(hits: int, trials: int, confidence: float = 0.95) -> Interval:
    """Limits of a share by Wilson's score (1927); (0, 1) for no trial."""
    if trials == 0:
        return 0.0, 1.0
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    centre = (hits + z2 / 2) / (trials + z2)
    half = math.sqrt(z2 * (hits * (trials - hits) / trials + z2 / 4)) / (trials + z2)
    return (0.0 if hits == 0 else centre - half), (1.0 if hits == trials else centre + half)


def exact_interval(hits: int, trials: int, confidence: float = 0.95) -> Interval:
    """Limits of a share by Clopper and Pearson (1934): cover at least as often as stated; (0, 1) for no trial."""
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else _root(lambda share: 1 - binomial_cdf(hits - 1, trials, share) < tail, 0.0, 1.0)
    high = 1.0 if hits == trials else _root(lambda share: binomial_cdf(hits, trials, share) > tail, 0.0, 1.0)
    return low, high


def binomial_cdf(hits: int, trials: int, share: float) -> float:
    """Probability of at most ``hits`` in ``trials`` of probability ``share``."""
    if share in (0.0, 1.0):
        return float(share == 0 or hits >= trials)
    number = np.arange(1, hits + 1)
    steps = np.log((trials - number + 1) / number) + math.log(share) - math.log1p(-share)
    logs = np.concatenate([[0.0], np.cumsum(steps)]) + trials * math.log1p(-share)
    return min(1.0, float(np.exp(logs).sum()))


def ratio_interval(count: int, base: int, confidence: float = 0.95) -> Interval:
    """Limits of the ratio of two Poisson means, given one count of each: exact for the share count / (count + base).

    Przyborowski and Wilenski (1940). The upper limit is infinite for ``base`` 0.
    """
    low, high = exact_interval(count, count + base, confidence)
    return low / (1 - low) if low < 1 else math.inf, high / (1 - high) if high < 1 else math.inf


def bootstrap_interval(
    fields: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], confidence: float = 0.95, draws: int = 2000
) -> Interval:
    """Percentile limits of a statistic of the sum over fields, where whole fields are drawn with replacement.

    Args:
        fields: (F, C) numbers of each field of view, at least two fields.
        statistic: sums (draws, C) -> (draws,); values that are not finite are left out.

    The draws are seeded: the same fields have the same limits.
    """
    rng = np.random.default_rng(0)
    times = rng.multinomial(len(fields), np.full(len(fields), 1 / len(fields)), size=draws)
    values = statistic(times @ fields)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, math.inf
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _root(below: Callable[[float], bool], low: float, high: float) -> float:
    """Where ``below`` turns from true to false, ascending."""
    for _ in range(STEPS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2
