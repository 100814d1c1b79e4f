"""Fit ranks to a budget: the largest level of a selection whose cost is within it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

from detplug.compression.costs import CostModel
from detplug.errors import UserError

from ..conv_layers import ConvLayer
from ..counts import chain_params
from .selector import LayerCost, Layers, PricedSelector, Ranks, RankSelector

STEPS = 40  # of the bisection: the level is right to 1e-12


@dataclass(frozen=True)
class Budget:
    """At most ``limit`` of what ``cost`` counts; ``kind`` names it. Layers that are not in the ranks cost as dense."""

    kind: str
    cost: LayerCost
    limit: float


def params_cost(layers: Layers, fixed: float = 0) -> LayerCost:
    """Parameters; ``fixed`` are those of everything else."""
    return LayerCost(
        fixed,
        {name: x.params for name, x in layers.items()},
        lambda name, ranks: chain_params(*layers[name].shape, ranks),
    )


def layer_cost(model: CostModel, layers: Layers) -> LayerCost:
    """A cost model of the host, of the layers and their chains."""
    return LayerCost(model.fixed, model.dense, lambda name, ranks: model.layer(name, layers[name].chain(ranks)))


def layer_macs(layer: ConvLayer, ranks: tuple[int, ...]) -> int:
    """Of a layer's chain, all calls of one image together."""
    return sum(conv.macs for call in layer.chain(ranks) for conv in call)


def joint_costs(budgets: Sequence[Budget]) -> list[LayerCost]:
    """Prices that several budgets can have: each kind alone, and all together by the shares that they allow.

    With one budget its own kind. Ours: of budgets that bind together the price is a weighted sum of the kinds; these
    are the corners and one point between.
    """
    costs = [budget.cost for budget in budgets]
    if len(costs) == 1:
        return costs
    weights = [1 / budget.limit for budget in budgets]

    def chain(name: str, ranks: tuple[int, ...]) -> float:
        return sum(weight * cost.chain(name, ranks) for weight, cost in zip(weights, costs, strict=True))

    pairs = list(zip(weights, costs, strict=True))
    dense = {name: sum(weight * cost.dense[name] for weight, cost in pairs) for name in costs[0].dense}
    return [*costs, LayerCost(0.0, dense, chain)]


def worthwhile(ranks: Ranks, layers: Layers, costs: Sequence[LayerCost]) -> Ranks:
    """Without the layers whose chain has no fewer parameters than dense, or costs no less in any kind: they stay dense.

    A budget of MACs thus never takes a chain that has more of them than its layer, as stride 2 can give.
    """
    return {
        name: layer_ranks
        for name, layer_ranks in ranks.items()
        if chain_params(*layers[name].shape, layer_ranks) < layers[name].params
        and all(cost.chain(name, layer_ranks) < cost.dense[name] for cost in costs)
    }


def in_multiples(ranks: Ranks, layers: Layers, multiple: int) -> Ranks:
    """Every rank as the nearest multiple, at least one, at most full: hardware fills ranks up to its width anyway."""
    return {
        name: tuple(
            min(max((2 * rank + multiple) // (2 * multiple), 1) * multiple, full)
            for rank, full in zip(layer_ranks, layers[name].max_ranks, strict=True)
        )
        for name, layer_ranks in ranks.items()
    }


def allocate(
    selector: RankSelector,
    scores: Mapping[str, Any],
    layers: Layers,
    budgets: Sequence[Budget],
    multiple: int = 1,
    start: Ranks | None = None,
) -> Ranks:
    """Ranks of the largest level whose costs are within all budgets, each a multiple of ``multiple`` or full.

    Where a selector has prices, they are in the kinds of the budgets; of several ways to weigh the kinds the one that
    loses least by the selector's own measure is taken.

    Args:
        start: ranks of the layers that are chains already, or were chosen to be; none of them grows.

    Raises:
        UserError: the smallest ranks everywhere cost more.
    """
    start = start or {}
    costs = [budget.cost for budget in budgets]

    def at(scores: Mapping[str, Any], level: float) -> Ranks:
        ranks = in_multiples(selector.ranks_at(scores, layers, level), layers, multiple)
        ranks = {
            name: tuple(map(min, layer_ranks, start.get(name, layer_ranks))) for name, layer_ranks in ranks.items()
        }
        return start | worthwhile(ranks, layers, costs)

    for budget in budgets:
        check_reachable(budget, at(scores, 0.0), start)
    if not isinstance(selector, PricedSelector):
        return largest(partial(at, scores), budgets)
    allocations = [
        largest(partial(at, selector.priced(scores, layers, cost)), budgets) for cost in joint_costs(budgets)
    ]
    return min(allocations, key=lambda ranks: selector.loss(scores, layers, ranks))


def check_reachable(budget: Budget, smallest: Ranks, start: Ranks) -> None:
    """Refuse a budget that the smallest ranks exceed.

    Raises:
        UserError: says what can be reached.
    """
    cost, whole = budget.cost(smallest), budget.cost(start)
    if cost > budget.limit:
        raise UserError(
            f'--budget {budget.limit / whole:.3g}: the smallest that this selection can reach is '
            f'{ceil(1000 * cost / whole) / 1000:.3f} of {budget.kind}; give at least that'
        )


def largest(at: Callable[[float], Ranks], budgets: Sequence[Budget]) -> Ranks:
    """Ranks of the largest level, 0 to 1, that fits; costs do not fall when it rises."""

    def fits(ranks: Ranks) -> bool:
        return all(budget.cost(ranks) <= budget.limit for budget in budgets)

    low, high = 0.0, 1.0
    if fits(at(high)):
        return at(high)
    for _ in range(STEPS):
        middle = (low + high) / 2
        if fits(at(middle)):
            low = middle
        else:
            high = middle
    return at(low)
