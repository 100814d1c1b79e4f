"""Fit ranks to a budget: the largest level of a selection whose cost is within it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from detplug.errors import UserError

from ..conv_layers import ConvLayer
from ..counts import chain_macs, chain_params
from .selector import Layers, Ranks, RankSelector

STEPS = 40  # of the bisection: the level is right to 1e-12


@dataclass(frozen=True)
class Budget:
    """At most ``limit`` of what ``cost`` counts; ``kind`` names it. Layers that are not in the ranks cost as dense."""

    kind: str
    cost: 'LayerCost'
    limit: float


@dataclass(frozen=True)
class LayerCost:
    """Cost of a model: what does not change, and of each layer the dense cost or that of its chain.

    Calling it with ranks gives the whole; ``{}`` is the dense model.
    """

    fixed: float
    dense: Mapping[str, float]
    chain: Callable[[str, tuple[int, ...]], float]

    def __call__(self, ranks: Ranks) -> float:
        return self.fixed + sum(
            self.chain(name, ranks[name]) if name in ranks else cost for name, cost in self.dense.items()
        )


def params_cost(layers: Layers, fixed: float = 0) -> LayerCost:
    """Parameters; ``fixed`` are those of everything else."""
    return LayerCost(
        fixed,
        {name: x.params for name, x in layers.items()},
        lambda name, ranks: chain_params(*layers[name].shape, ranks),
    )


def macs_cost(layers: Layers, fixed: float = 0) -> LayerCost:
    """Multiply-accumulates of an image; ``fixed`` are those of everything else."""
    return LayerCost(
        fixed, {name: x.macs for name, x in layers.items()}, lambda name, ranks: layer_macs(layers[name], ranks)
    )


def layer_macs(layer: ConvLayer, ranks: tuple[int, ...]) -> int:
    """Of a layer's chain, all calls of one image together."""
    return sum(chain_macs(*layer.shape, ranks, *size) for size in zip(layer.in_hw, layer.out_hw, strict=True))


def worthwhile(ranks: Ranks, layers: Layers, cost: LayerCost) -> Ranks:
    """Without the layers whose chain has no fewer parameters than dense, or costs no less: they stay dense."""
    return {
        name: own
        for name, own in ranks.items()
        if chain_params(*layers[name].shape, own) < layers[name].params and cost.chain(name, own) < cost.dense[name]
    }


def in_multiples(ranks: Ranks, layers: Layers, multiple: int) -> Ranks:
    """Every rank as the nearest multiple, at least one, at most full: hardware fills ranks up to its width anyway."""
    return {
        name: tuple(
            min(max((2 * rank + multiple) // (2 * multiple), 1) * multiple, full)
            for rank, full in zip(own, layers[name].max_ranks, strict=True)
        )
        for name, own in ranks.items()
    }


def allocate(
    selector: RankSelector, scores: Mapping[str, Any], layers: Layers, budget: Budget, multiple: int = 1
) -> Ranks:
    """Ranks of the largest level whose cost is within the budget, each a multiple of ``multiple`` or full.

    Raises:
        UserError: the smallest ranks everywhere cost more.
    """

    def at(level: float) -> Ranks:
        ranks = in_multiples(selector.ranks_at(scores, layers, level), layers, multiple)
        return worthwhile(ranks, layers, budget.cost)

    dense = budget.cost({})
    smallest = budget.cost(at(0.0))
    if smallest > budget.limit:
        raise UserError(
            f'--budget {budget.limit / dense:.3g}: the smallest that this selection can reach is '
            f'{ceil(1000 * smallest / dense) / 1000:.3f} of {budget.kind}; give at least that'
        )
    low, high = 0.0, 1.0
    if budget.cost(at(high)) <= budget.limit:
        return at(high)
    for _ in range(STEPS):
        middle = (low + high) / 2
        if budget.cost(at(middle)) <= budget.limit:
            low = middle
        else:
            high = middle
    return at(low)
