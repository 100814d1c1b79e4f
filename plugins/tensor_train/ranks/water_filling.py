"""Water filling: cut, over all layers and bonds, the directions that cost the output least for what they free.

Ours. It is the Lagrangian of a size: at price p every layer takes the ranks of least lost energy + p parameters. Equal
energy treats a direction of a large layer as one of a small layer; this does not. Energy is the share of each layer's
own output (see activation_spectrum), lost energies of bonds and layers add up.

Of a layer not all pairs of ranks are looked at, but a path on which no rank rises, so that larger budgets never take
anything away: from full ranks down, always the direction that loses least for the parameters it frees there.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from torch import nn

from detplug.compression.compressors import register_selector

from ..conv_layers import ConvLayer
from ..counts import chain_params
from .activation_energy import ActivationEnergyRanks
from .selector import CalibrationData, Layers, Ranks

LostEnergy = Mapping[str, list[np.ndarray]]  # of each layer and bond: (R + 1,) lost at rank 0, 1, ... full
DECADES = 16.0  # that the price falls from level 0, where it is a layer's whole energy for one parameter


class Prices(NamedTuple):
    """Of one layer: (S,) prices, falling, at which it steps from ranks[i] to ranks[i + 1]; the last are full.

    ``weight``: of its lost energy beside the other layers', where they are not alike.
    """

    prices: np.ndarray
    ranks: list[tuple[int, ...]]
    weight: float | None = None


@register_selector('water_filling')
class WaterFillingRanks(ActivationEnergyRanks):
    """The level is the price, by decades; at level 0 all is rank 1, at level 1 nothing is cut."""

    def scores(self, model: nn.Module, layers: Layers, data: CalibrationData) -> Mapping[str, Prices]:
        """The steps of each layer and their prices."""
        lost = self.lost(model, layers, data)
        return {name: steps(layer, lost[name]) for name, layer in layers.items()}

    def lost(self, model: nn.Module, layers: Layers, data: CalibrationData) -> LostEnergy:
        """Each layer's share of its own output."""
        found = super().scores(model, layers, data)
        return {name: [own.numpy() for own in bonds] for name, bonds in found.items()}

    def ranks_at(self, scores: Mapping[str, Prices], layers: Layers, level: float) -> Ranks:
        if level >= 1:
            return {name: layer.max_ranks for name, layer in layers.items()}
        price = 10 ** (-DECADES * level) if level > 0 else np.inf
        return {name: scores[name].ranks[int((scores[name].prices > price).sum())] for name in layers}


def steps(layer: ConvLayer, lost: Sequence[np.ndarray]) -> Prices:
    """Ranks worth taking at some price, from rank 1 to full; full stands for the dense layer and its size.

    Args:
        lost: of each bond (R + 1,) share of the energy lost at rank 0, 1, ... full.
    """
    points = [
        (chain_params(*layer.shape, own), sum(bond[r] for bond, r in zip(lost, own, strict=True)), own)
        for own in reversed(cutting_path(layer, lost))
    ]
    # rank 1 is a step even where its chain is not smaller, as for every selector
    smaller = [x for x in points if x[0] < layer.params] or [(layer.params - 1, *points[0][1:])]
    hull = lower_hull([*smaller, (layer.params, 0.0, layer.max_ranks)])
    prices = [(a[1] - b[1]) / (b[0] - a[0]) for a, b in pairwise(hull)]
    return Prices(np.array(prices), [ranks for *_, ranks in hull])


def cutting_path(layer: ConvLayer, lost: Sequence[np.ndarray]) -> list[tuple[int, ...]]:
    """Ranks from full to 1, one direction less at each step: the one that loses least for the parameters it frees."""
    ranks, path = layer.max_ranks, [layer.max_ranks]
    while max(ranks) > 1:
        size = chain_params(*layer.shape, ranks)
        found = []
        for bond, rank in enumerate(ranks):
            if rank > 1:
                fewer = (*ranks[:bond], rank - 1, *ranks[bond + 1 :])
                freed = size - chain_params(*layer.shape, fewer)
                found.append(((lost[bond][rank - 1] - lost[bond][rank]) / freed, fewer))
        ranks = min(found)[1]
        path.append(ranks)
    return path


def lower_hull(points: Sequence[tuple]) -> list[tuple]:
    """The corners of the lower convex hull of (size, loss, ...), sizes rising."""
    hull: list[tuple] = []
    for point in points:
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) >= _slope(hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def _slope(a: tuple, b: tuple) -> float:
    return (b[1] - a[1]) / (b[0] - a[0])
