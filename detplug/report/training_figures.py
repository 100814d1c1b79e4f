"""Curves over the training steps: losses, validation figures and the pace of history.jsonl."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from detplug.drawing.colours import class_colour

SMOOTH_OVER = 1 / 40  # share of the steps that the running mean spans
LOW = 0.15  # figure below which its label has no room under it
AVERAGE_PRECISION = {'val/map': 'mAP', 'val/map50': 'mAP50'}  # key in history.jsonl -> name


def series(history: Sequence[Mapping], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps (M,) and values (M,) of the rows of ``history`` that have a finite ``key``."""
    pairs = [(row['step'], row[key]) for row in history if 'step' in row and isinstance(row.get(key), int | float)]
    steps, values = np.array(pairs, float).reshape(-1, 2).T
    finite = np.isfinite(values)
    return steps[finite], values[finite]


def loss_figure(history: Sequence[Mapping]) -> Figure | None:
    """The total loss and its terms against the step; None where the history has none."""
    names = {key for row in history for key in row if key.startswith('loss')}
    keys = sorted(names, key=lambda key: (key != 'loss', key))
    lines = {key: series(history, key) for key in keys}
    lines = {key: line for key, line in lines.items() if line[0].size}
    if not lines:
        return None
    figure = Figure(figsize=(7, 4), layout='constrained')
    axes = figure.subplots()
    for position, (key, (steps, values)) in enumerate(lines.items()):
        colour = 'black' if key == 'loss' else [x / 255 for x in class_colour(position)]
        axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
        axes.plot(steps, running_mean(values), color=colour, linewidth=1.6, label='total' if key == 'loss' else key)
    axes.set(xlabel='step', ylabel='loss (mean over neighbours; pale: as logged)', ylim=(0, None))
    _finish(axes)
    return figure


def validation_figure(history: Sequence[Mapping], names: Mapping[str, str] = AVERAGE_PRECISION) -> Figure | None:
    """Figures of each validation, the best one of the first marked; None where there was no validation.

    Args:
        names: key in history.jsonl -> name in the legend.
    """
    lines = {key: series(history, key) for key in names}
    first = next(iter(names))
    if not lines[first][0].size:
        return None
    figure = Figure(figsize=(7, 4), layout='constrained')
    axes = figure.subplots()
    for position, (key, (steps, values)) in enumerate(lines.items()):
        axes.plot(
            steps,
            values,
            marker='o',
            markersize=3,
            color=[x / 255 for x in class_colour(position)],
            label=names[key],
        )
    steps, values = lines[first]
    best = values.argmax()
    axes.annotate(
        f'best {values[best]:.3f} at step {steps[best]:.0f}',
        (steps[best], values[best]),
        xytext=(0, -18 if values[best] > LOW else 10),
        textcoords='offset points',
        ha='right' if best > len(steps) / 2 else 'left',
        fontsize=9,
    )
    axes.plot(steps[best], values[best], marker='*', markersize=13, color='black')
    axes.set(xlabel='step', ylabel='figure on the validation split', ylim=(0, 1))
    _finish(axes)
    return figure


def pace_figure(history: Sequence[Mapping]) -> Figure | None:
    """Learning rate, seconds a step with the wait for data in them, memory at validations; None without steps."""
    panels = {
        'learning rate': {'lr': ''},
        'seconds a step': {'time': 'whole', 'data_time': 'waiting for data'},
        'memory, GiB': {'memory': ''},
    }
    panels_with_data = {title: {key: series(history, key) for key in keys} for title, keys in panels.items()}
    panels_with_data = {
        title: lines for title, lines in panels_with_data.items() if any(steps.size for steps, _ in lines.values())
    }
    if 'learning rate' not in panels_with_data:
        return None
    figure = Figure(figsize=(7, 1.8 * len(panels_with_data)), layout='constrained')
    column = figure.subplots(len(panels_with_data), sharex=True, squeeze=False)[:, 0]
    for axes, (title, lines) in zip(column, panels_with_data.items(), strict=True):
        for position, (key, (steps, values)) in enumerate(lines.items()):
            colour = [x / 255 for x in class_colour(position)]
            smooth = values if key in ('lr', 'memory') else running_mean(values)
            axes.plot(
                steps, smooth, color=colour, label=panels[title][key], marker='o' * (key == 'memory'), markersize=3
            )
        highest = max((values.max() for _, values in lines.values() if values.size), default=0.0)
        axes.set(ylabel=title, ylim=(0, 1.1 * highest or None))
        _finish(axes, legend=len(lines) > 1)
    axes.set_xlabel('step')
    return figure


def running_mean(values: np.ndarray) -> np.ndarray:
    """(M,) mean of each value and its neighbours; fewer neighbours at the ends."""
    width = max(1, int(len(values) * SMOOTH_OVER)) | 1  # odd, so that it is centred
    window = np.ones(width)
    return np.convolve(values, window, mode='same') / np.convolve(np.ones_like(values), window, mode='same')


def _finish(axes, legend: bool = True) -> None:
    axes.grid(alpha=0.3)
    if legend:
        axes.legend(frameon=False)
    axes.spines[['top', 'right']].set_visible(False)
