"""Budgets: costs are those of the model that is built, the ranks fit, and nothing larger does."""

import math
import re
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from detplug.compression.costs import CostRequest, cost_model
from detplug.errors import UserError
from plugins.tensor_train.compressed import replace_layers
from plugins.tensor_train.conv_layers import all_convolutions, conv_layers
from plugins.tensor_train.counts import chain_params
from plugins.tensor_train.ranks import (
    Budget,
    CalibrationData,
    LayerCost,
    UniformRanks,
    allocate,
    layer_cost,
)
from plugins.tensor_train.ranks.budget import largest, worthwhile
from plugins.tensor_train.ranks.selectors import SELECTORS

NAMES = ['lwiq', 'uniform', 'energy', 'activation_energy', 'water_filling', 'sensitivity', 'imprinted_sensitivity']


def small_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 24, 1), nn.ReLU(),
        nn.Conv2d(24, 20, 3, 2, 1), nn.ReLU(), nn.Conv2d(20, 20, 3, 1, 1), nn.ReLU(), nn.Conv2d(20, 1, 1),
    ).eval()  # fmt: skip


class Counted:
    """A run that counts how often it is asked."""

    def __init__(self, net):
        self.net, self.runs = net, 0

    def __call__(self, x):
        self.runs += 1
        return self.net(x)


OBJECTS = [torch.tensor([[0.0, 0, 8, 8, 0]]), torch.tensor([[4.0, 8, 12, 16, 1]])]
NET, IMAGE = small_net(), torch.rand(1, 3, 16, 16)
RUN = Counted(NET)
DATA = CalibrationData(RUN, [torch.rand(2, 3, 16, 16)], torch.rand(12, 3, 16, 16), torch.arange(12) % 3, OBJECTS)
LAYERS = conv_layers(NET, RUN, IMAGE)
SCORES = {name: SELECTORS[name]().scores(NET, LAYERS, DATA) for name in NAMES}
REQUEST = CostRequest(NET, {}, 16, all_convolutions(NET, RUN, IMAGE), tuple(LAYERS))
COSTS = {kind: layer_cost(cost_model(kind)(REQUEST), LAYERS) for kind in ('params', 'macs', 'bytes')}


def parameters(model: nn.Module) -> int:
    return sum(x.numel() for x in model.parameters())


def macs(model: nn.Module) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(IMAGE)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize('kind, count', [('params', parameters), ('macs', macs)])
def test_a_cost_is_that_of_the_model_that_is_built(kind, count):
    cost = COSTS[kind]
    assert cost({}) == count(NET)
    for level in (0.0, 0.3, 1.0):
        ranks = UniformRanks().ranks_at(SCORES['uniform'], LAYERS, level)
        assert cost(ranks) == count(replace_layers(small_net(), ranks))
    assert cost({'3': (2,)}) == count(replace_layers(small_net(), {'3': (2,)}))


def priced(selector, scores, cost):
    return selector.priced(scores, LAYERS, cost) if hasattr(selector, 'priced') else scores


def fitting_level_costs(name: str, kind: str, limit: float) -> list[float]:
    """Costs within the limit on a grid of levels, rank by rank dense where a chain is larger in either count."""
    selector, found = SELECTORS[name](), []
    scores = priced(selector, SCORES[name], COSTS[kind])
    for step in range(301):
        ranks = selector.ranks_at(scores, LAYERS, step / 300)
        kept = {
            layer: own
            for layer, own in ranks.items()
            if chain_params(*LAYERS[layer].shape, own) < LAYERS[layer].params
            and COSTS[kind]({layer: own}) < COSTS[kind]({})
        }
        found.append(COSTS[kind](kept))
    assert found == sorted(found)  # the budget may bisect
    return [own for own in found if own <= limit]


@pytest.mark.parametrize('kind', ['params', 'macs'])
@pytest.mark.parametrize('name', NAMES)
@settings(max_examples=8)
@given(share=st.floats(0.3, 1.1))
def test_ranks_fit_and_no_larger_level_does(name, kind, share):
    cost = COSTS[kind]
    limit = share * cost({})
    ranks = allocate(SELECTORS[name](), SCORES[name], LAYERS, [Budget(kind, cost, limit)])
    assert cost(ranks) <= limit
    assert cost(ranks) >= max(fitting_level_costs(name, kind, limit))


@pytest.mark.parametrize('name', NAMES)
def test_a_new_budget_asks_the_model_nothing(name, monkeypatch):
    before, selector = RUN.runs, SELECTORS[name]()
    monkeypatch.setattr(nn.Conv2d, 'forward', None)
    monkeypatch.setattr(torch.linalg, 'svd', None)
    monkeypatch.setattr(selector, 'scores', None)
    sizes = [COSTS['params'](allocate(selector, SCORES[name], LAYERS, [Budget('params', COSTS['params'], limit)]))
             for limit in (0.4 * COSTS['params']({}), 0.8 * COSTS['params']({}))]  # fmt: skip
    assert sizes[0] < sizes[1] and RUN.runs == before


@pytest.mark.parametrize('multiple', [2, 3])
@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('share', [0.5, 0.7, 0.9])
def test_ranks_are_multiples_or_full_and_still_fit(name, multiple, share):
    cost = COSTS['params']
    ranks = allocate(SELECTORS[name](), SCORES[name], LAYERS, [Budget('params', cost, share * cost({}))], multiple)
    assert ranks and cost(ranks) <= share * cost({})
    for layer, own in ranks.items():
        for rank, full in zip(own, LAYERS[layer].max_ranks, strict=True):
            assert 0 < rank <= full and (rank % multiple == 0 or rank == full)


@pytest.mark.parametrize('name', NAMES)
def test_a_budget_of_everything_changes_nothing(name):
    full = allocate(SELECTORS[name](), SCORES[name], LAYERS, [Budget('params', COSTS['params'], COSTS['params']({}))])
    for layer, own in full.items():
        assert own == LAYERS[layer].max_ranks


@pytest.mark.parametrize('level', [0.0, 0.5, 1.0])
def test_layers_whose_chain_is_not_smaller_stay_dense(level):
    cost = COSTS['macs']
    at = UniformRanks().ranks_at(SCORES['uniform'], LAYERS, level)
    limit = max(cost({}), cost(at))
    for share in (0.3, 0.6, 1.0):
        ranks = allocate(UniformRanks(), SCORES['uniform'], LAYERS, [Budget('macs', cost, share * limit)])
        assert '9' not in ranks  # 20 to 1: rank 1 has 21 parameters in place of 20
        for layer, own in ranks.items():
            assert chain_params(*LAYERS[layer].shape, own) < LAYERS[layer].params
            assert cost({layer: own}) < cost({})


def test_a_fast_chain_of_more_parameters_stays_dense():
    fast = LayerCost(0.0, dict.fromkeys(LAYERS, 2.0), lambda name, ranks: 1.0)
    ranks = allocate(UniformRanks(), SCORES['uniform'], LAYERS, [Budget('latency', fast, 2.0 * len(LAYERS))])
    assert ranks == {}  # the level is 1, where every chain is larger
    ranks = allocate(UniformRanks(), SCORES['uniform'], LAYERS, [Budget('latency', fast, 1.0 * len(LAYERS) + 1)])
    assert set(ranks) == set(LAYERS) - {'9'}


@pytest.mark.parametrize('kind', ['params', 'macs'])
@pytest.mark.parametrize('name', NAMES)
def test_an_impossible_budget_says_what_is_possible(name, kind):
    cost = COSTS[kind]
    with pytest.raises(UserError) as error:
        allocate(SELECTORS[name](), SCORES[name], LAYERS, [Budget(kind, cost, 0.01 * cost({}))])
    words = rf'--budget 0.01: the smallest that this selection can reach is (0\.\d+) of {kind}; give at least that'
    share = float(re.fullmatch(words, str(error.value))[1])
    ranks = allocate(SELECTORS[name](), SCORES[name], LAYERS, [Budget(kind, cost, share * cost({}))])
    assert cost(ranks) <= share * cost({})
    assert math.isclose(cost(ranks) / cost({}), share, abs_tol=0.001)


def test_a_budget_prices_directions_in_its_own_kind():
    """Of the same share of MACs, prices in MACs lose less than prices in parameters."""
    selector, scores, cost = SELECTORS['water_filling'](), SCORES['water_filling'], COSTS['macs']
    budget = Budget('macs', cost, 0.5 * cost({}))
    own = allocate(selector, scores, LAYERS, [budget])
    by_params = largest(lambda level: worthwhile(selector.ranks_at(scores, LAYERS, level), LAYERS, [cost]), [budget])
    assert own != by_params and max(cost(own), cost(by_params)) <= budget.limit
    losses = [selector.loss(scores, LAYERS, ranks) for ranks in (own, by_params)]
    assert losses[0] < 0.9 * losses[1]


@pytest.mark.parametrize('name', NAMES)
@settings(max_examples=8)
@given(shares=st.tuples(st.floats(0.4, 1.0), st.floats(0.4, 1.0), st.floats(0.4, 1.0)))
def test_budgets_of_several_kinds_all_hold(name, shares):
    budgets = [Budget(kind, COSTS[kind], share * COSTS[kind]({})) for kind, share in zip(COSTS, shares, strict=True)]
    ranks = allocate(SELECTORS[name](), SCORES[name], LAYERS, budgets)
    assert all(budget.cost(ranks) <= budget.limit for budget in budgets)
    for layer, own in ranks.items():
        assert all(cost.chain(layer, own) < cost.dense[layer] for cost in COSTS.values())


def test_several_budgets_lose_no_more_than_one_price_would():
    selector, scores = SELECTORS['water_filling'](), SCORES['water_filling']
    budgets = [Budget(kind, COSTS[kind], share * COSTS[kind]({})) for kind, share in (('params', 0.4), ('macs', 0.6))]
    loss = selector.loss(scores, LAYERS, allocate(selector, scores, LAYERS, budgets))
    costs = [budget.cost for budget in budgets]

    def at(priced, level: float) -> dict:
        return worthwhile(selector.ranks_at(priced, LAYERS, level), LAYERS, costs)

    for cost in costs:
        ranks = largest(partial(at, selector.priced(scores, LAYERS, cost)), budgets)
        assert loss <= selector.loss(scores, LAYERS, ranks) + 1e-12


def test_a_chain_of_more_macs_than_its_layer_stays_dense_under_such_a_budget():
    """Stride 2: the first 1x1 of the chain runs at the size before it."""
    net = nn.Sequential(nn.Conv2d(64, 128, 3, 2, 1), nn.Conv2d(128, 64, 1))
    image = torch.rand(1, 64, 16, 16)
    layers = conv_layers(net, net, image)
    request = CostRequest(net, {}, 16, all_convolutions(net, net, image), tuple(layers))
    costs = {kind: layer_cost(cost_model(kind)(request), layers) for kind in ('params', 'macs')}
    ranks = {'0': (60, 100)}
    assert costs['params'].chain('0', ranks['0']) < costs['params'].dense['0']
    assert costs['macs'].chain('0', ranks['0']) > costs['macs'].dense['0']
    assert worthwhile(ranks, layers, [costs['params']]) == ranks
    assert worthwhile(ranks, layers, [costs['params'], costs['macs']]) == {}


def test_int8_bytes_are_one_a_weight_and_four_of_the_rest():
    kernels, rest = (sum(x.numel() for x in NET.parameters() if (x.dim() > 1) == big) for big in (True, False))
    assert COSTS['bytes']({}) == kernels + 4 * rest
    assert COSTS['bytes']({'3': (2,)}) == COSTS['bytes']({}) - 16 * 24 + 2 * (16 + 24)


def test_hardware_that_computes_in_blocks_is_priced_by_blocks():
    """A cost of steps of 8 channels: ranks end at the steps, where what is kept costs nothing more."""
    blocks = LayerCost(
        0.0,
        {name: float(x.params) for name, x in LAYERS.items()},
        lambda name, ranks: float(chain_params(*LAYERS[name].shape, tuple(-(-rank // 8) * 8 for rank in ranks))),
    )
    selector, scores = SELECTORS['water_filling'](), SCORES['water_filling']
    ranks = allocate(selector, scores, LAYERS, [Budget('blocks', blocks, 0.8 * blocks({}))])
    assert ranks and blocks(ranks) <= 0.8 * blocks({})
    for name, own in ranks.items():
        assert all(rank % 8 == 0 or rank == full for rank, full in zip(own, LAYERS[name].max_ranks, strict=True))
