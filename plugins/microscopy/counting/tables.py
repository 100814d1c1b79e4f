"""counts.csv and burden.csv: what a laboratory takes over into its own table."""

import csv
import io
import math
from collections.abc import Mapping, Sequence

import numpy as np

from .burden import Assumptions, burdens
from .calibration import Calibration
from .estimates import Estimate, Group, counted, estimate_of, true_number_draws

Rows = list[list[str]]


def count_rows(
    groups: Sequence[Group],
    calibration: Calibration | None,
    by: str,
    method: str,
    confidence: float,
    unlike: Mapping[str, Sequence[str]] | None = None,
) -> Rows:
    """Head and a row for each group and class.

    count, low, high: boxes, and limits of the mean of which they are a sample. With a calibration: corrected, ...: the
    objects that are in the pictures, as missed and invented ones on the validation pictures say; expected: sum of the
    probabilities of the boxes to be right. With ``unlike`` (group -> differences): a column of them.
    """
    more = ['corrected', 'corrected_low', 'corrected_high', 'expected'] if calibration is not None else []
    rows = [[by, 'class', 'pictures', 'failed', 'count', 'low', 'high', 'interval', *more]]
    rows[0] += [] if unlike is None else ['unlike_training']
    for group in groups:
        for i, name in enumerate(group.names):
            row = [group.name, name, str(len(group.counts)), str(group.failed)]
            last = [] if unlike is None else ['; '.join(unlike.get(group.name, ()))]
            if not len(group.counts):
                rows.append(row + [''] * (4 + len(more)) + last)
                continue
            row += _cells(counted(group, [name], method, confidence))
            if calibration is not None and name in calibration.classes:
                draws = true_number_draws(group, name, calibration, np.random.default_rng(0))
                row += _cells(estimate_of(draws, confidence))[:3] + [number(float(group.expected[:, i].sum()))]
            elif calibration is not None:
                row += [''] * len(more)
            rows.append(row + last)
    return rows


def burden_rows(
    groups: Sequence[Group],
    given: Assumptions,
    calibration: Calibration | None,
    by: str,
    method: str,
    confidence: float,
) -> Rows:
    """Head and a row for each group that has a picture: the targets' count, then value and limits of each figure."""
    names = list(given.quantities())
    rows = [[by, 'targets', *(f'{name}{part}' for name in names for part in ('', '_low', '_high')), 'interval']]
    for group in groups:
        if len(group.counts):
            figures: Mapping[str, Estimate] = burdens(group, given, calibration, method, confidence)
            cells = [cell for name in names for cell in _cells(figures[name])[:3]]
            rows.append([group.name, str(group.count(given.targets)), *cells, figures[names[0]].method])
    return rows


def csv_text(rows: Rows) -> str:
    """The rows as csv."""
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(rows)
    return text.getvalue()


def number(value: float) -> str:
    """At most six digits; empty for what is not a number."""
    return '' if math.isnan(value) else f'{value:.6g}'


def _cells(estimate: Estimate) -> list[str]:
    return [*(number(x) for x in (estimate.value, estimate.low, estimate.high)), estimate.method]
