"""Water filling: cut, over all layers and bonds, the directions that cost the output least for what they free.

Known parts, our combination: lost activation energies under a Lagrangian knapsack are BALF's (arXiv 2509.25136),
whitened energies SVD-LLM's (arXiv 2403.07378); the two bonds of a chain and the path below are ours. At price p every
layer takes the ranks of least lost energy + p cost. Equal energy treats a direction of a large layer as one of a small
layer; this does not. Energy is the share of each layer's own output (see activation_spectrum). That lost energies of
the two bonds and of all layers add up, as if they were independent, is an assumption.

Of a layer not all pairs of ranks are looked at, but a path on which no rank rises, so that larger budgets never take
anything away: from full ranks down, always the direction that loses least for what it frees there. The cost is that of
the budget: parameters, MACs, bytes, milliseconds, cycles.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from torch import nn

from ..conv_layers import ConvLayer
from .activation_energy import ActivationEnergyRanks
from .budget import params_cost
from .selector import CalibrationData, LayerCost, Layers, Ranks
from .selectors import register_selector

LostEnergy = Mapping[str, list[np.ndarray]]  # of each layer and bond: (R + 1,) lost at rank 0, 1, ... full
DECADES = 16.0  # that the price falls from level 0, where it is a layer's whole energy for one parameter


class LossCurve(NamedTuple):
    """What is lost for each share of a layer's energy: (P,) shares, rising, from 0, and the losses there.

    Linear between the points and beyond the last.
    """

    shares: np.ndarray
    losses: np.ndarray

    def __call__(self, share: float) -> float:
        if share <= self.shares[-1]:
            return float(np.interp(share, self.shares, self.losses))
        rise = (self.losses[-1] - self.losses[-2]) / (self.shares[-1] - self.shares[-2])
        return float(self.losses[-1] + rise * (share - self.shares[-1]))


ITSELF = LossCurve(np.array([0.0, 1.0]), np.array([0.0, 1.0]))


class Prices(NamedTuple):
    """Of one layer: (S,) prices, falling, at which it steps from ranks[i] to ranks[i + 1]; the last are full.

    ``lost``: share of its energy that each bond loses at rank 0, 1, ... full; ``curve``: what that costs the detector;
    ``weight``: of its lost energy beside the other layers', where they are not alike.
    """

    prices: np.ndarray
    ranks: list[tuple[int, ...]]
    lost: Sequence[np.ndarray]
    curve: LossCurve = ITSELF
    weight: float | None = None


@register_selector('water_filling')
class WaterFillingRanks(ActivationEnergyRanks):
    """The level is the price, by decades; at level 0 all is rank 1, at level 1 nothing is cut."""

    def scores(self, model: nn.Module, layers: Layers, data: CalibrationData) -> Mapping[str, Prices]:
        """The steps of each layer and their prices in parameters."""
        lost = self.lost(model, layers, data)
        cost = params_cost(layers)
        return {name: steps(layer, lost[name], cost) for name, layer in layers.items()}

    def lost(self, model: nn.Module, layers: Layers, data: CalibrationData) -> LostEnergy:
        """Each layer's share of its own output."""
        shares = super().scores(model, layers, data)
        return {name: [bond.numpy() for bond in bonds] for name, bonds in shares.items()}

    def priced(self, scores: Mapping[str, Prices], layers: Layers, cost: LayerCost) -> Mapping[str, Prices]:
        """Prices in ``cost``, scaled so that the whole costs as much as it has parameters: levels stay alike."""
        scale = sum(layer.params for layer in layers.values()) / (sum(cost.dense.values()) or 1.0)
        scaled = LayerCost(
            0.0,
            {name: scale * dense for name, dense in cost.dense.items()},
            lambda name, ranks: scale * cost.chain(name, ranks),
        )
        return {
            name: steps(layer, scores[name].lost, scaled, scores[name].curve)._replace(weight=scores[name].weight)
            for name, layer in layers.items()
        }

    def loss(self, scores: Mapping[str, Prices], layers: Layers, ranks: Ranks) -> float:
        """Sum over the layers of what their lost energy costs."""
        return sum(
            scores[name].curve(energy_lost(scores[name].lost, layer_ranks)) for name, layer_ranks in ranks.items()
        )

    def ranks_at(self, scores: Mapping[str, Prices], layers: Layers, level: float) -> Ranks:
        if level >= 1:
            return {name: layer.max_ranks for name, layer in layers.items()}
        price = 10 ** (-DECADES * level) if level > 0 else np.inf
        return {name: scores[name].ranks[int((scores[name].prices > price).sum())] for name in layers}


def energy_lost(lost: Sequence[np.ndarray], ranks: tuple[int, ...]) -> float:
    """Share of a layer's energy that is lost with these ranks, summed over the bonds."""
    return float(sum(bond[rank] for bond, rank in zip(lost, ranks, strict=True)))


def steps(layer: ConvLayer, lost: Sequence[np.ndarray], cost: LayerCost, curve: LossCurve = ITSELF) -> Prices:
    """Ranks worth taking at some price, from rank 1 to full; full stands for the dense layer and its cost.

    Args:
        lost: of each bond (R + 1,) share of the energy lost at rank 0, 1, ... full.
    """
    dense, path = cost.dense[layer.name], cutting_path(layer, lost, cost)
    points = {
        cost.chain(layer.name, layer_ranks): layer_ranks for layer_ranks in reversed(path)
    }  # of one cost the largest ranks
    smaller = [
        (size, curve(energy_lost(lost, layer_ranks)), layer_ranks)
        for size, layer_ranks in points.items()
        if size < dense
    ]
    if not smaller:  # rank 1 is a step even where its chain is not smaller, as for every selector
        smaller = [(dense * (1 - 1 / (layer.params + 1)), curve(energy_lost(lost, path[-1])), path[-1])]
    hull = lower_hull([*smaller, (dense, 0.0, layer.max_ranks)])
    prices = [(a[1] - b[1]) / (b[0] - a[0]) for a, b in pairwise(hull)]
    return Prices(np.array(prices), [ranks for *_, ranks in hull], lost, curve)


def cutting_path(layer: ConvLayer, lost: Sequence[np.ndarray], cost: LayerCost) -> list[tuple[int, ...]]:
    """Ranks from full to 1, at each step those whose loss is least for what they free.

    A step takes one direction away, or as many as free anything: hardware may compute in blocks of channels.
    """
    ranks, path = layer.max_ranks, [layer.max_ranks]
    while max(ranks) > 1:
        size, choices = cost.chain(layer.name, ranks), []
        for bond, rank in enumerate(ranks):
            for fewer in range(rank - 1, 0, -1):
                other = (*ranks[:bond], fewer, *ranks[bond + 1 :])
                freed = size - cost.chain(layer.name, other)
                if freed > 0 or fewer == 1:
                    least = np.finfo(float).tiny
                    choices.append(((lost[bond][fewer] - lost[bond][rank]) / max(freed, least), other))
                    break
        ranks = min(choices)[1]
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
