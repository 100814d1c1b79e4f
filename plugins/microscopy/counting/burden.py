"""Parasites per 1,000 red cells and per microlitre, eggs per gram: the usual formulas, with nothing assumed.

What a laboratory must know (cells per microlitre, grams on the slide) is asked for.

    per 1,000 red cells   1000 x parasites / red cells
    per microlitre        parasites / red cells x red cells per microlitre        (thin film)
                          parasites / white cells x white cells per microlitre    (thick film; WHO takes 8000)
    per gram              eggs / grams of stool in the pictures of the group      (Kato-Katz: .0417 on a whole slide)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .calibration import Calibration
from .estimates import BOOTSTRAP, Estimate, Group, estimate_of, true_number_draws
from .intervals import bootstrap_interval, exact_interval, poisson_interval, ratio_interval

PER_1000, PER_UL_RED, PER_UL_WHITE, PER_GRAM = (
    'per_1000_red_cells', 'per_microlitre_by_red_cells', 'per_microlitre_by_white_cells', 'per_gram'
)  # fmt: skip


@dataclass(frozen=True)
class Assumptions:
    """What was asked for.

    Attributes:
        targets: classes that are counted as parasites or eggs.
        red_cells: all classes that are red cells, infected ones too. white_cells: likewise.
        red_per_ul, white_per_ul: cells in a microlitre of this blood.
        grams: stool that the pictures of a group show.
    """

    targets: Sequence[str]
    red_cells: Sequence[str] = ()
    white_cells: Sequence[str] = ()
    red_per_ul: float | None = None
    white_per_ul: float | None = None
    grams: float | None = None

    def quantities(self) -> dict[str, tuple[Sequence[str], float]]:
        """Name of each figure that can be computed -> (classes to divide by, factor)."""
        known: dict[str, tuple[Sequence[str], float]] = {}
        if self.red_cells:
            known[PER_1000] = (self.red_cells, 1000.0)
        if self.red_per_ul is not None:
            known[PER_UL_RED] = (self.red_cells, self.red_per_ul)
        if self.white_per_ul is not None:
            known[PER_UL_WHITE] = (self.white_cells, self.white_per_ul)
        if self.grams is not None:
            known[PER_GRAM] = ((), 1 / self.grams)
        return known


def burdens(
    group: Group, given: Assumptions, calibration: Calibration | None, method: str, confidence: float
) -> dict[str, Estimate]:
    """Name of each figure -> estimate; nan where no cell was counted to divide by.

    With a calibration the numbers are corrected for what the detector misses and invents, and the limits hold its
    uncertainty and that of the sample; without, they hold that of the sample alone.
    """
    return {
        name: _burden(group, given.targets, base, factor, calibration, method, confidence)
        for name, (base, factor) in given.quantities().items()
    }


def _burden(
    group: Group,
    targets: Sequence[str],
    base: Sequence[str],
    factor: float,
    calibration: Calibration | None,
    method: str,
    confidence: float,
) -> Estimate:
    if base and group.count(base) == 0:
        return Estimate(np.nan, np.nan, np.nan, 'no cell')
    if calibration is not None:
        return _corrected(group, targets, base, factor, calibration, confidence)
    value = factor * group.count(targets) / (group.count(base) if base else 1)
    if method == BOOTSTRAP and len(group.counts) > 1 and group.count(targets):
        fields = np.stack([group.of(targets), group.of(base) if base else np.ones(len(group.counts))], 1)
        limits = bootstrap_interval(fields, _ratio if base else lambda sums: sums[:, 0], confidence)
    else:
        method, limits = 'poisson', _exact(group, targets, base, confidence)
    return Estimate(value, factor * limits[0], factor * limits[1], method)


def _exact(group: Group, targets: Sequence[str], base: Sequence[str], confidence: float) -> tuple[float, float]:
    """Binomial where the targets are among the cells, else of two Poisson counts, or of one."""
    count = group.count(targets)
    if not base:
        return poisson_interval(count, confidence)
    if set(targets) <= set(base):
        return exact_interval(count, group.count(base), confidence)
    return ratio_interval(count, group.count(base), confidence)


def _ratio(sums: np.ndarray) -> np.ndarray:
    with np.errstate(divide='ignore', invalid='ignore'):
        return sums[:, 0] / sums[:, 1]


def _corrected(
    group: Group,
    targets: Sequence[str],
    base: Sequence[str],
    factor: float,
    calibration: Calibration,
    confidence: float,
) -> Estimate:
    """Means of which the true numbers are a Poisson sample, drawn (Gamma, Jeffreys' prior), then divided."""
    rng = np.random.default_rng(0)
    names = list(dict.fromkeys([*targets, *base]))
    means = {name: rng.gamma(true_number_draws(group, name, calibration, rng) + 0.5) for name in names}
    top = sum(means[name] for name in targets)
    return estimate_of(factor * (top / sum(means[name] for name in base) if base else top), confidence)
