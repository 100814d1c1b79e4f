"""Figures with one curve, bar or cell a class, readable from 1 to about 100 classes. K classes."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from detplug.drawing.colours import class_colour
from detplug.evaluation.curves import ClassCurve

SPLIT_COLOURS = ('#3d3d3d', '#9a9a9a', '#cfcfcf')  # grey: colours are for classes
MANY = 12  # classes; with more of them only the extremes are named


def curve_figure(curves: Sequence[ClassCurve], classes: Sequence[str], kind: str) -> Figure:
    """Precision against recall (kind 'pr') or F1 against score (kind 'f1') of each class and of all pooled.

    Args:
        curves: K + 1, the last one pooled, as :func:`detplug.evaluation.curves.class_curves` gives them.
    """
    figure = Figure(figsize=(7.5, 4.5), layout='constrained')
    axes = figure.subplots()
    *each, pooled = curves
    shown = [k for k, curve in enumerate(each) if curve.best is not None]
    named = sorted(shown, key=lambda k: each[k].best[1])[: MANY if len(shown) <= MANY else 8]
    for k in [*named, *(k for k in shown if k not in named)]:  # the legend keeps this order
        axes.plot(
            *_line(each[k], kind),
            color=_rgb(k),
            linewidth=1.4 if k in named else 0.5,
            alpha=1 if k in named else 0.5,
            label=_legend(each[k], classes[k], kind) if k in named else None,
        )
    if pooled.best is not None:
        axes.plot(*_line(pooled, kind), color='black', linewidth=2.5, label=_legend(pooled, 'all', kind))
    else:
        axes.text(0.5, 0.5, 'no objects or no detections', ha='center')
    labels = ('recall', 'precision') if kind == 'pr' else ('score from which a detection counts', 'F1')
    axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
    if pooled.best is not None:
        title = 'lowest F1' if len(shown) > MANY else None
        figure.legend(loc='outside right center', frameon=False, fontsize=8, title=title)
    return figure


def reliability_figure(bins: Sequence[tuple[float, float, int]]) -> Figure:
    """Precision against score, the size of a point is the number of detections; on the diagonal a score is right.

    Args:
        bins: (mean score, precision, detections).
    """
    figure = Figure(figsize=(4.5, 4.5), layout='constrained')
    axes = figure.subplots()
    score, precision, count = np.array(bins, float).T
    axes.plot([0, 1], [0, 1], color='#9a9a9a', linestyle='--', linewidth=1)
    axes.plot(score, precision, color='black', linewidth=1.4)
    axes.scatter(score, precision, 20 + 200 * count / count.max(), color='black', alpha=0.6)
    axes.set(xlabel='mean score', ylabel='precision at IoU .50', xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
    return figure


def confusion_figure(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """The (K+1, K+1) confusion matrix; shade = share of the row, numbers = counts where they fit."""
    names = [*classes, 'background']
    size = len(names)
    few = size <= 16
    side = float(np.clip(1.6 + size * (0.6 if few else 0.14), 4, 16))
    figure = Figure(figsize=(side + 0.8, side), layout='constrained')
    axes = figure.subplots()
    share = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    picture = axes.imshow(share, cmap='Blues', vmin=0, vmax=1)
    font = 9 if few else 6
    axes.set_xticks(range(size), names, rotation=45 if few else 90, ha='right' if few else 'center', fontsize=font)
    axes.set_yticks(range(size), names, fontsize=font)
    axes.set(xlabel='prediction', ylabel='truth')
    axes.axhline(size - 1.5, color='grey', linewidth=0.6)
    axes.axvline(size - 1.5, color='grey', linewidth=0.6)
    if few:
        for row, column in zip(*counts.nonzero(), strict=True):
            axes.text(
                column,
                row,
                counts[row, column],
                ha='center',
                va='center',
                fontsize=8,
                color='white' if share[row, column] > 0.55 else 'black',
            )
    figure.colorbar(picture, label='share of the row', shrink=0.7, aspect=30)
    return figure


def label_figure(label_counts: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> Figure:
    """Number of objects of each class in each split, as bars; logarithmic where the classes are imbalanced.

    Args:
        label_counts: split -> class name -> number of objects.
    """
    table = np.array([[counts.get(name, 0) for name in classes] for counts in label_counts.values()])
    table = table.reshape(len(label_counts), len(classes))
    thickness = 0.8 / max(len(label_counts), 1)
    row = 0.16 if len(classes) > MANY else 0.22 * max(len(label_counts), 1) + 0.1
    figure = Figure(figsize=(7, 1 + row * max(len(classes), 1)), layout='constrained')
    axes = figure.subplots()
    for position, (split, counts) in enumerate(zip(label_counts, table, strict=True)):
        bars = axes.barh(
            np.arange(len(classes)) + position * thickness,
            counts,
            height=thickness,
            align='edge',
            color=SPLIT_COLOURS[position % 3],
            label=f'{split} ({counts.sum()} objects)',
        )
        if len(classes) <= MANY:
            axes.bar_label(bars, padding=2, fontsize=8)
    present = table[table > 0]
    if present.size and present.max() > 20 * present.min():
        axes.set_xscale('log')
        axes.set_xlim(0.8, present.max() * 3)
    axes.set_yticks(np.arange(len(classes)) + 0.4, classes, fontsize=8 if len(classes) <= MANY else 6)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel('objects')
    axes.spines[['top', 'right']].set_visible(False)
    figure.legend(loc='outside upper left', frameon=False, fontsize=8, ncols=3)
    return figure


def _line(curve: ClassCurve, kind: str) -> tuple[np.ndarray, np.ndarray]:
    if kind == 'pr':  # the highest precision at this recall or a higher one, as COCO's AP takes it
        ceiling = np.maximum.accumulate(curve.precision[::-1])[::-1]
        return np.concatenate([[0], curve.recall]), np.concatenate([ceiling[:1], ceiling])
    return curve.scores, curve.f1


def _legend(curve: ClassCurve, name: str, kind: str) -> str:
    score, f1 = curve.best
    return f'{name}: recall up to {curve.recall[-1]:.2f}' if kind == 'pr' else f'{name}: {f1:.2f} at {score:.2f}'


def _rgb(label: int) -> tuple[float, ...]:
    return tuple(x / 255 for x in class_colour(label))
