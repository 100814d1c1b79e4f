"""What a person sees of a compression: the table of the layers, and pictures of scores, ranks and sizes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from detplug.compression.compressors import CompressRequest
from detplug.html_page import page, section, table, tiles
from detplug.report.sections import save_plot

from .compressed import Ranks
from .conv_layers import ConvLayer
from .counts import chain_params
from .ranks.budget import layer_macs

COLUMNS = ('layer', 'shape', 'full', 'ranks', 'params', 'params_after', 'macs', 'macs_after', 'score')


def layer_rows(layers: Mapping[str, ConvLayer], ranks: Ranks, scores: Mapping) -> list[dict]:
    """A row of COLUMNS for every layer that may change, in order of execution; a dense layer has no ranks."""
    return [_row(name, layer, ranks.get(name), score_of(scores.get(name))) for name, layer in layers.items()]


def _row(name: str, layer: ConvLayer, layer_ranks: tuple[int, ...] | None, score: str) -> dict:
    shape = layer.out_channels, layer.in_channels, layer.kernel_size
    kernel = 'x'.join(map(str, layer.kernel_size)) + ('' if layer.stride == (1, 1) else f' s{layer.stride[0]}')
    params, macs = layer.params, layer.macs
    if layer_ranks:
        params, macs = chain_params(*shape, layer_ranks), layer_macs(layer, layer_ranks)
    full, kept = (' '.join(map(str, x)) for x in (layer.max_ranks, layer_ranks or ()))
    described = f'{layer.in_channels}-{layer.out_channels} {kernel}'
    values = (name, described, full, kept, layer.params, params, layer.macs, macs, score)
    return dict(zip(COLUMNS, values, strict=True))


def score_of(score) -> str:
    """A selector's score, or its ``weight``, as a word of the table; empty where that is no number."""
    score = getattr(score, 'weight', score)
    if isinstance(score, Tensor) and score.numel() == 1:
        score = score.item()
    return f'{score:.3f}' if isinstance(score, float) else ''


def write_report(
    folder: Path, request: CompressRequest, choices: Mapping[str, str], rows: Sequence[Mapping], facts: Mapping
) -> None:
    """report.html with its pictures: choices, sizes before and after, and the table of the layers."""
    kept = {'kept': request.budget_words} if request.shares else {}
    settings = kept | {
        **choices,
        **{name: f'{value:,.0f}' if isinstance(value, float | int) else str(value) for name, value in facts.items()},
    }
    sections = [section('Size', '', tiles(settings), kind='figures')]
    if any(row['score'] for row in rows):
        note = 'What the selector found in each layer, in order of execution.'
        sections.append(section('Scores', note, save_plot(folder, 'scores', score_figure(rows))))
    note = 'Rank over full rank at each bond of a layer; a layer without a point stays dense.'
    sections.append(section('Ranks', note, save_plot(folder, 'ranks', rank_figure(rows))))
    sections.append(section('Parameters', 'Of each layer.', save_plot(folder, 'params', size_figure(rows))))
    cells = [[f'{x:,}' if isinstance(x, int) else str(x) for x in row.values()] for row in rows]
    sections.append(section('Layers', 'Also in ranks.csv.', table(COLUMNS, cells), kind='wide'))
    (folder / 'report.html').write_text(page(f'Tensor-Train compression: {request.cfg.filename}', sections))


def score_figure(rows: Sequence[Mapping]) -> Figure:
    """The score of each layer."""
    figure, axes = _layer_axes(rows)
    axes.bar(range(len(rows)), [float(row['score'] or 'nan') for row in rows], color='tab:blue')
    axes.set_ylabel('score')
    return figure


def rank_figure(rows: Sequence[Mapping]) -> Figure:
    """Kept share of each bond's full rank."""
    figure, axes = _layer_axes(rows)
    for bond, label in enumerate(('first bond', 'second bond')):
        shares = [_share(row, bond) for row in rows]
        axes.plot(range(len(rows)), shares, marker='o', markersize=4, linestyle='none', label=label)
    axes.set(ylabel='rank over full rank', ylim=(0, 1.05))
    axes.legend()
    return figure


def size_figure(rows: Sequence[Mapping]) -> Figure:
    """Parameters of each layer before and after."""
    figure, axes = _layer_axes(rows)
    place = np.arange(len(rows))
    axes.bar(place - 0.2, [row['params'] for row in rows], 0.4, label='before', color='tab:gray')
    axes.bar(place + 0.2, [row['params_after'] for row in rows], 0.4, label='after', color='tab:blue')
    axes.set(ylabel='parameters', yscale='log')
    axes.legend()
    return figure


def accuracy_figure(
    points: Mapping[str, Sequence[tuple[float, float, float]]], dense: tuple[float, float, float], accuracy: str = 'mAP'
) -> Figure:
    """Accuracy against parameters and against multiply-accumulates, of each selection and the dense model.

    Args:
        points: name of a selection -> (parameters, MACs, accuracy) of each size.
        dense: the same of the dense model.
    """
    figure = Figure(figsize=(11, 4.5), layout='constrained')
    for size, (axes, label) in enumerate(zip(figure.subplots(1, 2, sharey=True), ('parameters', 'MACs'), strict=True)):
        for name, selection in points.items():
            sizes, values = zip(*sorted((point[size], point[2]) for point in selection), strict=True)
            axes.plot(sizes, values, marker='o', markersize=4, label=name)
        axes.axhline(dense[2], color='black', linewidth=0.8, linestyle='--')
        axes.plot(dense[size], dense[2], marker='s', color='black', linestyle='none', label='dense')
        axes.set(xlabel=f'{label}, M', xscale='log')
        ticks = [dense[size] / 2**halvings for halvings in range(4)]
        axes.set_xticks(ticks, [f'{tick / 1e6:.3g}' for tick in ticks], minor=False)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel(accuracy)
    figure.axes[1].legend()
    return figure


def _share(row: Mapping, bond: int) -> float:
    kept, full = row['ranks'].split(), row['full'].split()
    return int(kept[bond]) / int(full[bond]) if bond < len(kept) else float('nan')


def _layer_axes(rows: Sequence[Mapping]):
    figure = Figure(figsize=(max(7, 0.19 * len(rows)), 4.5), layout='constrained')
    axes = figure.subplots()
    axes.set_xticks(range(len(rows)), [row['layer'] for row in rows], rotation=90, fontsize=6)
    axes.margins(x=0.01)
    axes.grid(axis='y', alpha=0.3)
    return figure, axes
