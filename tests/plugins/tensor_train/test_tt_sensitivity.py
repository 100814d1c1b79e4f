"""Sensitivity: weights are what a cut changes in the watched maps, and the model is as it was afterwards."""

import copy

import pytest
import torch
from torch import nn

from detplug.errors import UserError
from plugins.tensor_train.compressed import replace_layers
from plugins.tensor_train.conv_layers import conv_layers
from plugins.tensor_train.ranks import Budget, CalibrationData, SensitivityRanks, allocate, params_cost
from plugins.tensor_train.ranks.selectors import SELECTORS
from plugins.tensor_train.ranks.sensitivity import IMAGES, SHARES, WEIGHT, loss_curves, watched_maps
from plugins.tensor_train.whitening import chain_from_kernel_and_moments


class Branches(nn.Module):
    """Two equal convolutions side by side, of which the second is heard ``loudness`` times; a third in the neck."""

    def __init__(self, loudness: float, dead_end: bool = False):
        super().__init__()
        torch.manual_seed(0)
        self.loud = nn.Conv2d(8, 16, 3, padding=1, bias=False)
        self.quiet = copy.deepcopy(self.loud)
        self.neck = nn.Conv2d(32, 24, 1, bias=False)
        self.pooled = nn.Conv2d(32, 24, 1, bias=False) if dead_end else None
        self.loudness = loudness

    def forward(self, images):
        maps = torch.cat([self.loud(images), self.loudness * self.quiet(images)], 1)
        neck = self.neck(maps)
        return [neck.mean((2, 3))] if self.pooled is None else [neck.mean((2, 3)), self.pooled(maps).mean((2, 3))]


def neck_of(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return net.neck(torch.cat([net.loud(images), net.loudness * net.quiet(images)], 1))


def setting(model: nn.Module, channels: int = 8) -> tuple:
    data = CalibrationData(model, [torch.randn(4, channels, 12, 12)], torch.zeros(0), torch.zeros(0))
    return model, conv_layers(model, model, data.images[0][:1]), data


def weights_of(model: nn.Module) -> tuple[dict, dict, CalibrationData]:
    model, layers, data = setting(model)
    scores = SensitivityRanks().scores(model, layers, data)
    return {name: own.weight for name, own in scores.items()}, scores, data


def test_a_curve_is_the_change_of_the_neck_at_each_cut():
    model = Branches(0.1)
    weights, scores, data = weights_of(model)
    images, slopes = data.images[0][:IMAGES], {}
    changes = {name: [] for name in weights}
    for name in weights:
        lost, energies = scores[name].lost, []
        for share in SHARES:
            ranks = tuple(int((bond > share).sum()) for bond in lost)
            assert ranks < tuple(len(bond) - 1 for bond in lost)
            moments = data.moments(model, [name])[name]
            kernels = {name: chain_from_kernel_and_moments(getattr(model, name).weight, ranks, *moments[:2])}
            cut = neck_of(replace_layers(copy.deepcopy(model), {name: ranks}, kernels), images)
            dense = neck_of(model, images)
            changes[name].append(((cut - dense).square().sum() / dense.square().sum()).item())
            energies.append(sum(bond[rank] for bond, rank in zip(lost, ranks, strict=True)))
        assert energies == sorted(set(energies))
        assert scores[name].curve.shares.tolist() == pytest.approx([0.0, *energies])
        slopes[name] = changes[name][WEIGHT] / energies[WEIGHT]
    most = max(slopes.values())
    assert weights == pytest.approx({name: own / most for name, own in slopes.items()}, rel=1e-4)
    assert max(weights.values()) == pytest.approx(1)
    for name, own in changes.items():
        assert scores[name].curve.losses.tolist() == pytest.approx([0.0, *(x / most for x in own)], rel=1e-4)


def test_a_loss_that_rises_more_than_its_energy_is_no_straight_line():
    """Between the measured shares a curve is linear, beyond the last it goes on; it never falls."""
    curves = loss_curves({'a': [0.1, 0.2, 0.4], 'b': [0.1, 0.1, 0.2]}, {'a': [0.1, 0.4, 1.6], 'b': [0.3, 0.2, 0.1]})
    a, b = curves['a'], curves['b']
    scale = b(0.2) / 0.3  # the change of b never falls below its first
    assert [a(x) / scale for x in (0.1, 0.3, 0.5)] == pytest.approx([0.1, 1.0, 2.2])
    assert b.shares.tolist() == [0.0, 0.1, 0.2]


def test_a_layer_that_is_hardly_heard_is_cut_first():
    weights, _, _ = weights_of(Branches(0.1))
    assert weights['quiet'] == pytest.approx(0.01 * weights['loud'], rel=0.5)
    model, layers, data = setting(Branches(0.1))
    cost = params_cost(layers)
    scores = {name: SELECTORS[name]().scores(model, layers, data) for name in ('sensitivity', 'water_filling')}
    budget = [Budget('params', cost, 0.6 * cost({}))]
    ranks = allocate(SELECTORS['sensitivity'](), scores['sensitivity'], layers, budget)
    alike = allocate(SELECTORS['water_filling'](), scores['water_filling'], layers, budget)
    assert alike['quiet'] == alike['loud']
    assert ranks['quiet'] < ranks.get('loud', layers['loud'].max_ranks)


def test_a_layer_that_nothing_watched_hears_counts_as_the_most_sensitive():
    weights, _, _ = weights_of(Branches(0.1, dead_end=True))
    assert weights['pooled'] == max(weights['loud'], weights['quiet'], weights['neck'])


def test_the_model_is_as_it_was():
    model, layers, data = setting(Branches(0.5))
    before = copy.deepcopy(model.state_dict())
    SensitivityRanks().scores(model, layers, data)
    assert all(torch.equal(own, before[name]) for name, own in model.state_dict().items())
    assert not model.neck._forward_hooks


def test_watched_are_the_neck_and_the_maps_among_the_outputs():
    model = nn.ModuleDict(dict(neck=nn.Conv2d(3, 4, 1), head=nn.Conv2d(4, 5, 1)))

    def run(images):
        maps = model.head(model.neck(images))
        return dict(ignored=1), [maps, maps.mean((2, 3))]

    with torch.no_grad(), watched_maps(model, run) as maps:
        found = maps(torch.rand(2, 3, 6, 6))
    assert [tuple(x.shape) for x in found] == [(2, 4, 6, 6), (2, 5, 6, 6)]


def test_a_model_without_maps_is_one_line():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(UserError, match='--ranks sensitivity: .*choose another selection'):
        SensitivityRanks().scores(*setting(net, 3))
