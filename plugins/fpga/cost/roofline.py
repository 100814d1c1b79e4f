"""Roofline picture: work of a cycle against work of a byte, a point for every convolution of each form. Ours."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from .network import Cost, LayerCost

STYLES = {'dense': ('tab:gray', 's'), 'chain': ('tab:orange', '^'), 'rebuild': ('tab:blue', 'o')}


def point(cost: Cost) -> tuple[float, float]:
    """(MAC a byte, MAC a cycle) of a cost that is not empty; the bytes are all that the memory outside moves."""
    return cost.macs / cost.bytes, cost.macs / cost.cycles


def roof(intensity: np.ndarray, n: int) -> np.ndarray:
    """Most MAC a cycle at these MAC a byte: n x n multipliers, n bytes a cycle from the memory outside and n to it."""
    return np.minimum(n * n, 2 * n * np.asarray(intensity, float))


def roofline_figure(costs: Mapping[str, Sequence[LayerCost]], n: int) -> Figure:
    """The picture.

    Args:
        costs: form -> layers; element-wise work, which multiplies nothing, is left out.
        n: width of the array.
    """
    figure = Figure(figsize=(7, 4.5), layout='constrained')
    axes = figure.subplots()
    points = {
        form: np.array([point(x.cost) for x in layer_costs if x.layer.is_conv]).reshape(-1, 2)
        for form, layer_costs in costs.items()
    }
    intensities = np.concatenate([*points.values(), [[1.0, 1.0]]])[:, 0]
    span = np.geomspace(intensities.min() / 2, 2 * max(intensities.max(), n), 200)
    axes.plot(span, roof(span, n), color='black', label='roof')
    for form, layer_costs in points.items():
        color, marker = STYLES.get(form, (None, '.'))
        axes.plot(*layer_costs.T, linestyle='none', marker=marker, markersize=4, alpha=0.7, color=color, label=form)
    axes.set(xscale='log', yscale='log', xlabel='MAC a byte', ylabel='MAC a cycle')
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
