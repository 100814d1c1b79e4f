"""counts.html: the tables of a count, its diagnosis and the reliability of its scores, one page without script."""

from collections.abc import Sequence
from html import escape

from detplug.html_page import page, section, table, tiles

from .calibration import Calibration
from .diagnosis import Diagnosis, Share
from .tables import Rows

SIDE = 220  # px of a reliability curve
MOST_ROWS = 2000  # of a table on the page; the csv has all


def counts_page(
    title: str,
    facts: Sequence[tuple[str, str]],
    counts: Rows,
    burden: Rows | None,
    diagnosis: Diagnosis | None,
    calibration: Calibration | None,
) -> str:
    """The html text."""
    parts = [section('Settings', '', table((), facts), kind='facts')]
    if diagnosis is not None:
        parts.append(_diagnosis(diagnosis))
    if burden is not None:
        parts.append(_table('Burden', 'Limits: see the column interval.', burden))
    parts.append(_table('Counts', '', counts))
    if calibration is not None:
        parts.append(_reliability(calibration))
    return page(title, parts)


def share_text(share: Share) -> str:
    """``.96 (48 of 50; .87 to .99)``."""
    if not share.trials:
        return '– (none)'
    low, high = share.limits
    return f'{share.value:.3f} ({share.hits} of {share.trials}; {low:.3f} to {high:.3f})'


def _diagnosis(diagnosis: Diagnosis) -> str:
    def shown(value: int | float | None) -> str:
        return '–' if value is None else f'{value:.3g}'

    false = list(diagnosis.false_on_negative.values())
    figures = {
        'sensitivity': share_text(diagnosis.sensitivity),
        'specificity': share_text(diagnosis.specificity),
        'false alarms a negative one, mean': shown(sum(false) / len(false) if false else None),
        'most on a negative one': shown(max(false) if false else None),
        'limit of blank': shown(diagnosis.limit_of_blank),
        'limit of detection, objects': shown(diagnosis.limit_of_detection),
    }
    note = f'Positive from a count of {diagnosis.positive_from} on; against the truth.'
    return section('Diagnosis', note, tiles(figures), kind='figures')


def _table(heading: str, note: str, rows: Rows) -> str:
    cut = f' The first {MOST_ROWS} of {len(rows) - 1} rows; the csv has all.' if len(rows) > MOST_ROWS + 1 else ''
    shown = [[*row[:2], *map(rounded, row[2:])] for row in rows[1 : MOST_ROWS + 1]]  # names as they are
    return section(heading, note + cut, table(rows[0], shown), kind='wide')


def rounded(cell: str) -> str:
    """A number of a table to three digits and no fewer than its whole ones; any other text as it is."""
    try:
        value = float(cell) if '.' in cell else None
    except ValueError:
        value = None
    return cell if value is None else f'{value:.0f}' if abs(value) >= 100 else f'{value:.3g}'


def _reliability(calibration: Calibration) -> str:
    curves = []
    for name, entry in calibration.classes.items():
        if entry.reliability:
            words = f'{name}: threshold {entry.threshold:.3g}, {entry.found} of {entry.objects} found, '
            words += f'{entry.false_alarms} false alarms'
            curves.append(f'<div>{_curve(entry.reliability, entry.knots)}<p>{escape(words)}</p></div>')
    note = (
        'Share of right detections against score on the validation pictures: points are ranges of scores, the line is '
        'the calibration; on the diagonal a score is a probability.'
    )
    return section('Reliability of scores', note, *curves, kind='tables')


def _curve(points: Sequence[tuple[float, float, int]], knots: Sequence[tuple[float, float]]) -> str:
    def at(x: float, y: float) -> str:
        return f'{10 + x * (SIDE - 20):.1f},{SIDE - 10 - y * (SIDE - 20):.1f}'

    most = max(count for *_, count in points)
    dots = ''.join(
        f'<circle cx="{at(score, share).split(",")[0]}" cy="{at(score, share).split(",")[1]}" '
        f'r="{2 + 5 * (count / most) ** 0.5:.1f}" fill="currentColor" fill-opacity=".6"/>'
        for score, share, count in points
    )
    steps = [at(x, y) for (score, value), end in zip(knots, [*knots[1:], (1.0, 0.0)], strict=False)
             for x, y in ((score, value), (end[0], value))]  # fmt: skip
    line = f'<polyline points="{" ".join(steps)}" fill="none" stroke="currentColor"/>' if steps else ''
    frame = (
        f'<line x1="10" y1="{SIDE - 10}" x2="{SIDE - 10}" y2="10" stroke="currentColor" stroke-dasharray="4"/>'
        f'<rect x="10" y="10" width="{SIDE - 20}" height="{SIDE - 20}" fill="none" stroke="currentColor"/>'
    )
    return f'<svg width="{SIDE}" height="{SIDE}" role="img" aria-label="reliability">{frame}{line}{dots}</svg>'
