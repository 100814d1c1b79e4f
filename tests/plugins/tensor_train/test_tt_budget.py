"""Budgets: costs are those of the model that is built, the ranks fit, and nothing larger does."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from detplug.compression.compressors import SELECTORS
from detplug.errors import UserError
from plugins.tensor_train.compressed import replace_layers
from plugins.tensor_train.conv_layers import conv_layers
from plugins.tensor_train.counts import chain_params
from plugins.tensor_train.ranks import (
    Budget,
    CalibrationData,
    LayerCost,
    UniformRanks,
    allocate,
    macs_cost,
    params_cost,
)

NAMES = ['lwiq', 'uniform', 'energy', 'activation_energy', 'water_filling', 'sensitivity']


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


NET, IMAGE = small_net(), torch.rand(1, 3, 16, 16)
RUN = Counted(NET)
DATA = CalibrationData(RUN, [torch.rand(2, 3, 16, 16)], torch.rand(12, 3, 16, 16), torch.arange(12) % 3)
LAYERS = conv_layers(NET, RUN, IMAGE)
SCORES = {name: SELECTORS[name]().scores(NET, LAYERS, DATA) for name in NAMES}
FIXED = sum(x.numel() for x in NET.parameters()) - sum(x.params for x in LAYERS.values())
COSTS = dict(params=params_cost(LAYERS, FIXED), macs=macs_cost(LAYERS))


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


def fitting_level_costs(name: str, kind: str, limit: float) -> list[float]:
    """Costs within the limit on a grid of levels, rank by rank dense where a chain is larger in either count."""
    selector, found = SELECTORS[name](), []
    for step in range(301):
        ranks = selector.ranks_at(SCORES[name], LAYERS, step / 300)
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
    ranks = allocate(SELECTORS[name](), SCORES[name], LAYERS, Budget(kind, cost, limit))
    assert cost(ranks) <= limit
    assert cost(ranks) >= max(fitting_level_costs(name, kind, limit))


@pytest.mark.parametrize('name', NAMES)
def test_a_new_budget_asks_the_model_nothing(name, monkeypatch):
    before, selector = RUN.runs, SELECTORS[name]()
    monkeypatch.setattr(nn.Conv2d, 'forward', None)
    monkeypatch.setattr(torch.linalg, 'svd', None)
    monkeypatch.setattr(selector, 'scores', None)
    sizes = [COSTS['params'](allocate(selector, SCORES[name], LAYERS, Budget('params', COSTS['params'], limit)))
             for limit in (0.4 * COSTS['params']({}), 0.8 * COSTS['params']({}))]  # fmt: skip
    assert sizes[0] < sizes[1] and RUN.runs == before


@pytest.mark.parametrize('multiple', [2, 3])
@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('share', [0.5, 0.7, 0.9])
def test_ranks_are_multiples_or_full_and_still_fit(name, multiple, share):
    cost = COSTS['params']
    ranks = allocate(SELECTORS[name](), SCORES[name], LAYERS, Budget('params', cost, share * cost({})), multiple)
    assert ranks and cost(ranks) <= share * cost({})
    for layer, own in ranks.items():
        for rank, full in zip(own, LAYERS[layer].max_ranks, strict=True):
            assert 0 < rank <= full and (rank % multiple == 0 or rank == full)


@pytest.mark.parametrize('name', NAMES)
def test_a_budget_of_everything_changes_nothing(name):
    full = allocate(SELECTORS[name](), SCORES[name], LAYERS, Budget('params', COSTS['params'], COSTS['params']({})))
    for layer, own in full.items():
        assert own == LAYERS[layer].max_ranks


@pytest.mark.parametrize('level', [0.0, 0.5, 1.0])
def test_layers_whose_chain_is_not_smaller_stay_dense(level):
    cost = COSTS['macs']
    at = UniformRanks().ranks_at(SCORES['uniform'], LAYERS, level)
    limit = max(cost({}), cost(at))
    for share in (0.3, 0.6, 1.0):
        ranks = allocate(UniformRanks(), SCORES['uniform'], LAYERS, Budget('macs', cost, share * limit))
        assert '9' not in ranks  # 20 to 1: rank 1 has 21 parameters in place of 20
        for layer, own in ranks.items():
            assert chain_params(*LAYERS[layer].shape, own) < LAYERS[layer].params
            assert cost({layer: own}) < cost({})


def test_a_fast_chain_of_more_parameters_stays_dense():
    fast = LayerCost(0.0, dict.fromkeys(LAYERS, 2.0), lambda name, ranks: 1.0)
    ranks = allocate(UniformRanks(), SCORES['uniform'], LAYERS, Budget('latency', fast, 2.0 * len(LAYERS)))
    assert ranks == {}  # the level is 1, where every chain is larger
    ranks = allocate(UniformRanks(), SCORES['uniform'], LAYERS, Budget('latency', fast, 1.0 * len(LAYERS) + 1))
    assert set(ranks) == set(LAYERS) - {'9'}


@pytest.mark.parametrize('kind', ['params', 'macs'])
@pytest.mark.parametrize('name', NAMES)
def test_an_impossible_budget_says_what_is_possible(name, kind):
    cost = COSTS[kind]
    with pytest.raises(UserError) as error:
        allocate(SELECTORS[name](), SCORES[name], LAYERS, Budget(kind, cost, 0.01 * cost({})))
    words = rf'--budget 0.01: the smallest that this selection can reach is (0\.\d+) of {kind}; give at least that'
    share = float(re.fullmatch(words, str(error.value))[1])
    ranks = allocate(SELECTORS[name](), SCORES[name], LAYERS, Budget(kind, cost, share * cost({})))
    assert cost(ranks) <= share * cost({})
    assert math.isclose(cost(ranks) / cost({}), share, abs_tol=0.001)
