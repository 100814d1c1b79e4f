"""What every selector promises, and each one's own law against its kernels, its data or all other choices."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from plugins.tensor_train.conv_layers import ConvLayer, conv_layers
from plugins.tensor_train.counts import chain_params
from plugins.tensor_train.layer_moments import layer_moments
from plugins.tensor_train.ranks import CalibrationData, params_cost
from plugins.tensor_train.ranks.energy import lost_energy, smallest_rank
from plugins.tensor_train.ranks.selectors import SELECTORS
from plugins.tensor_train.ranks.water_filling import cutting_path, steps
from plugins.tensor_train.whitening import chain_from_kernel_and_moments

NAMES = ['lwiq', 'uniform', 'energy', 'activation_energy', 'water_filling', 'sensitivity', 'imprinted_sensitivity']
LEVELS = st.floats(0, 1)
OBJECTS = [torch.tensor([[0.0, 0, 8, 8, 0]]), torch.tensor([[4.0, 8, 12, 16, 1]])]


def scores_of_selectors() -> tuple:
    """A net with a stride, a 1x1, a dead and a wide layer, and what every selector finds in it."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 12, 3, 2, 1), nn.ReLU(), nn.Conv2d(12, 20, 1), nn.ReLU(), nn.Conv2d(20, 8, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(8, 8, 1), nn.Conv2d(8, 1, 3), nn.Conv2d(1, 2, 1),
    ).eval()  # fmt: skip
    nn.init.zeros_(net[6].weight)
    nn.init.zeros_(net[6].bias)
    data = CalibrationData(net, [torch.rand(2, 3, 16, 16)], torch.rand(12, 3, 16, 16), torch.arange(12) % 3, OBJECTS)
    layers = conv_layers(net, net, data.images[0])
    return net, data, layers, {name: SELECTORS[name]().scores(net, layers, data) for name in NAMES}


NET, DATA, LAYERS, SCORES = scores_of_selectors()


def ranks_at(name: str, level: float) -> dict:
    return SELECTORS[name]().ranks_at(SCORES[name], LAYERS, level)


@pytest.mark.parametrize('name', NAMES)
def test_from_rank_1_to_full(name):
    assert ranks_at(name, 0.0) == {layer: (1,) * len(x.max_ranks) for layer, x in LAYERS.items()}
    assert ranks_at(name, 1.0) == {layer: x.max_ranks for layer, x in LAYERS.items()}


@pytest.mark.parametrize('name', NAMES)
@given(LEVELS, LEVELS)
def test_no_rank_falls_when_the_level_rises(name, one, other):
    lower, higher = ranks_at(name, min(one, other)), ranks_at(name, max(one, other))
    for layer, own in LAYERS.items():
        bonds = zip(lower[layer], higher[layer], own.max_ranks, strict=True)
        assert all(1 <= a <= b <= full and isinstance(a, int) for a, b, full in bonds)


@pytest.mark.parametrize('name', NAMES)
def test_levels_between_make_a_difference(name):
    assert len({tuple(ranks_at(name, level / 50).items()) for level in range(51)}) > 8


@given(LEVELS)
def test_uniform_is_one_share(level):
    expected = {name: tuple(max(1, round(level * r)) for r in x.max_ranks) for name, x in LAYERS.items()}
    assert ranks_at('uniform', level) == expected


@pytest.mark.parametrize('level', [0.02, 0.1, 0.3, 0.7])
def test_energy_is_the_smallest_rank_that_loses_no_more(level):
    for name, own in ranks_at('energy', level).items():
        weight = NET[int(name)].weight.detach().double().numpy()
        bonds = [weight.transpose(1, 2, 3, 0).reshape(weight.shape[1], -1), weight.transpose(1, 2, 3, 0)]
        bonds[1] = bonds[1].reshape(-1, weight.shape[0])
        for matrix, rank in zip(bonds, own, strict=False):
            left, values, right = np.linalg.svd(matrix, full_matrices=False)
            lost = [((matrix - left[:, :r] * values[:r] @ right[:r]) ** 2).sum() for r in (rank, rank - 1)]
            allowed = 10 ** (-8 * level) * (matrix**2).sum()
            assert lost[0] <= allowed and (rank == 1 or lost[1] > allowed)


@pytest.mark.parametrize('level', [0.1, 0.2, 0.4])
def test_activation_energy_of_a_pair_is_what_the_output_loses(level):
    moments = layer_moments(NET, NET, DATA.images, ['2'])['2']
    weight, rank = NET[2].weight.detach().double(), ranks_at('activation_energy', level)['2'][0]
    points = NET[:2](DATA.images[0]).detach().double().transpose(0, 1).flatten(1)  # (I, N H W)
    dense = weight[..., 0, 0] @ points
    losses = []
    for own in (rank, rank - 1):
        first, last = chain_from_kernel_and_moments(weight, (own,), *moments[:2])
        chain = last[..., 0, 0] @ (first[..., 0, 0] @ points)
        losses.append(((chain - dense).square().sum() / dense.square().sum()).item())
    assert losses[0] <= 10 ** (-8 * level) < losses[1]


def test_lost_energy_by_hand():
    torch.testing.assert_close(lost_energy(torch.tensor([2.0, 1, 1])).tolist(), [1.0, 2 / 6, 1 / 6, 0.0])
    assert lost_energy(torch.zeros(3)).tolist() == [0, 0, 0, 0]
    lost = torch.tensor([1.0, 0.5, 0.25, 0.0])
    assert [smallest_rank(lost, most) for most in (1.0, 0.5, 0.4, 0.25, 0.2, 0.0)] == [1, 1, 2, 2, 3, 3]


def random_layer(seed: int, shape: tuple[int, int, int]) -> tuple[ConvLayer, list[np.ndarray]]:
    """A layer (I, O, side of the kernel) and spectra that fall as real ones do."""
    into, out, side = shape
    generator = np.random.default_rng(seed)
    layer = ConvLayer(str(seed), into, out, (side, side), (1, 1), ((4, 4),), ((4, 4),), ())
    lost = []
    for full in layer.max_ranks:
        energy = np.sort(generator.random(full) ** 4 + 1e-3)[::-1]
        lost.append(np.append(energy[::-1].cumsum()[::-1], 0) / energy.sum())
    return layer, lost


def forms(layer: ConvLayer, lost: list[np.ndarray], choices) -> list[tuple[int, float]]:
    """(parameters, lost energy) of chains, and of the dense layer."""
    dense = [(layer.params, 0.0)]
    return dense + [
        (chain_params(*layer.shape, own), sum(x[r] for x, r in zip(lost, own, strict=True))) for own in choices
    ]


def chosen_form(layer: ConvLayer, lost: list[np.ndarray], own: tuple[int, ...]) -> tuple[int, float]:
    """The chain's, or the dense layer's where the chain is not smaller."""
    dense, chain = forms(layer, lost, [own])
    return chain if chain[0] < dense[0] else dense


@given(st.integers(0, 1000), st.floats(0.05, 0.3))
def test_water_filling_of_pairs_loses_least_for_its_size(seed, level):
    """No other ranks of three 1x1 layers are as small and lose less (Everett): all are tried."""
    parts = [random_layer(seed + i, shape) for i, shape in enumerate([(6, 9, 1), (12, 5, 1), (20, 7, 1)])]
    layers = {layer.name: layer for layer, _ in parts}
    scores = {layer.name: steps(layer, lost, params_cost({layer.name: layer})) for layer, lost in parts}
    ranks = SELECTORS['water_filling']().ranks_at(scores, layers, level)
    size, loss = np.sum([chosen_form(layer, lost, ranks[layer.name]) for layer, lost in parts], 0)
    every = [forms(layer, lost, [(r,) for r in range(1, layer.max_ranks[0] + 1)]) for layer, lost in parts]
    best = min(sum(x[1] for x in own) for own in product(*every) if sum(x[0] for x in own) <= size)
    assert loss <= best + 1e-12


@given(st.integers(0, 1000), st.floats(0.1, 0.3))
def test_water_filling_of_three_is_the_best_of_its_path(seed, level):
    layer, lost = random_layer(seed, (8, 12, 3))
    path = cutting_path(layer, lost, params_cost({layer.name: layer}))
    assert path[0] == layer.max_ranks and path[-1] == (1, 1)
    for (r1, r2), after in pairwise(path):
        first = (lost[0][r1 - 1] - lost[0][r1]) / (8 + 9 * r2) if r1 > 1 else np.inf  # energy for each parameter
        second = (lost[1][r2 - 1] - lost[1][r2]) / (12 + 9 * r1) if r2 > 1 else np.inf
        assert after == ((r1 - 1, r2) if first < second else (r1, r2 - 1))
    ranks = SELECTORS['water_filling']().ranks_at(
        {layer.name: steps(layer, lost, params_cost({layer.name: layer}))}, {layer.name: layer}, level
    )
    price = 10 ** (-16 * level)
    size, loss = chosen_form(layer, lost, ranks[layer.name])
    assert loss + price * size <= min(own + price * params for params, own in forms(layer, lost, path)) + 1e-12
