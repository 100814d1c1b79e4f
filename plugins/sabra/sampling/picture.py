"""A picture of what was sampled: the kinds of pairs that were there, and those that were drawn."""

from collections.abc import Mapping, Sequence

import numpy as np

from .counts import NAMES

GREY, BLUE = '#9a9a9a', '#2f6fb0'


def total(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Sums of available/KIND and drawn/KIND over the rows of relations.jsonl, and the mean of ``scarce``."""
    names = [f'{what}/{name}' for what in ('available', 'drawn') for name in NAMES]
    sums = {name: float(sum(row[name] for row in rows)) for name in names}
    return sums | dict(scarce=sum(row.get('scarce', 0.0) for row in rows) / max(len(rows), 1))


def sampling_picture(rows: Sequence[Mapping[str, float]], advice: str = '') -> dict[str, tuple[str, np.ndarray]]:
    """Heading -> (explanation, (H, W, 3) uint8 BGR); empty where nothing was sampled.

    Args:
        rows: of relations.jsonl.
        advice: of the sampler, one line, stands first in the explanation.
    """
    sums = total(rows)
    shares = [np.array([sums[f'{what}/{name}'] for name in NAMES]) for what in ('available', 'drawn')]
    if not all(share.sum() for share in shares):
        return {}
    note = (
        f'Shares of the pairs that were there and of those that the steps learned from, in percent. Negatives: N1 both '
        f'boxes wrong, N2 the object, N3 the subject, N4 both right and related otherwise, N5 both right, one in no '
        f'relation. '
        f'In {100 * sums["scarce"]:.0f} % of the images or batches every negative was drawn.'
    )
    return {'Sampled pairs': (' '.join(filter(None, (advice, note))), bars(*(100 * x / x.sum() for x in shares)))}


def bars(available: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """(6,) percentages of each kind, side by side, as (H, W, 3) uint8 BGR."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # a second to load, once a training
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout='constrained', dpi=110)
    canvas, axes, place = FigureCanvasAgg(figure), figure.subplots(), np.arange(len(NAMES))
    for shift, shares, colour, label in ((-0.2, available, GREY, 'there'), (0.2, drawn, BLUE, 'drawn')):
        axes.bar_label(axes.bar(place + shift, shares, 0.38, color=colour, label=label), fmt='%.1f', fontsize=8)
    labels = ['positive', *(f'N{kind}' for kind in range(1, len(NAMES)))]
    axes.set(ylabel='% of the pairs', xticks=place, xticklabels=labels)
    axes.legend(frameon=False)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1])
