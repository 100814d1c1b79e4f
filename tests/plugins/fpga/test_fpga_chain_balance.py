"""Maps inside of chains are mixed so that rounding them costs little; what a chain computes stays the same."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

pytest.importorskip('brevitas')
from tiny_quantised import random_images, random_tiny  # noqa: E402

from plugins.fpga.quantised.balance import balance  # noqa: E402
from plugins.fpga.quantised.chain_balance import balance_chains, columns_of, even_mix  # noqa: E402
from plugins.fpga.quantised.replace import quantise  # noqa: E402
from plugins.fpga.quantised.scales import map_groups  # noqa: E402
from plugins.fpga.quantised.structure import read_structure  # noqa: E402
from plugins.fpga.quantised.watching import in_float  # noqa: E402
from plugins.tensor_train.tt_conv import TTConv2d  # noqa: E402


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noise(moment: torch.Tensor, columns: torch.Tensor, mix: torch.Tensor, back: torch.Tensor) -> float:
    """Of the sums, when each mixed channel is rounded in steps of its own size."""
    return float(((mix @ moment @ mix.T).diagonal() * (columns @ back).square().sum(0)).sum())


@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 9), st.booleans())
def test_the_mix_can_be_undone(size, rows, seed, dead):
    pixels, columns = random(size, 50, seed=seed), random(rows, size, seed=seed + 100)
    pixels = torch.diag(10.0 ** torch.arange(size).double()) @ random(size, size, seed=seed + 200) @ pixels
    if dead:
        pixels[0], columns[:, -1] = 0, 0
    mix, back = even_mix(pixels @ pixels.T / 50, columns)
    torch.testing.assert_close(mix @ back, torch.eye(size, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize('seed', range(4))
def test_the_noise_of_the_sums_is_near_the_least(seed):
    """By the inequality of Cauchy and Schwarz no mix is below the squared sum of singular values over the channels."""
    pixels, columns = random(24, 24, seed=seed) @ random(24, 99, seed=seed + 9), random(40, 24, seed=seed + 19)
    moment, eye = pixels @ pixels.T / 99, torch.eye(24, dtype=torch.float64)
    values = torch.linalg.svdvals(columns @ torch.linalg.cholesky(moment))
    least = float(values.sum().square() / 24)
    assert least <= noise(moment, columns, *even_mix(moment, columns)) < 1.2 * least
    assert noise(moment, columns, eye, eye) > 1.5 * least


def test_maps_of_zeros_are_mixed_by_something_that_can_be_undone():
    zeros = torch.zeros(3, 3, dtype=torch.float64)
    for moment, columns in ((zeros, random(4, 3)), (random(3, 3) @ random(3, 3).T, zeros), (zeros, zeros)):
        mix, back = even_mix(moment, columns)
        assert torch.isfinite(mix).all() and torch.isfinite(back).all()


def test_columns_are_what_the_cores_behind_make_of_a_map():
    chain = TTConv2d(4, 5, 3, (3, 2), padding=1).double()
    x = random(1, 3, 1, 1)
    made = (
        chain.cores[2](nn.functional.conv2d(x, chain.cores[1].weight, padding=2)) - chain.cores[2].bias[:, None, None]
    )
    columns = columns_of(chain.cores[1:]) @ x[0, :, 0, 0]
    assert columns.square().sum().item() == pytest.approx(made.square().sum().item())


@pytest.mark.parametrize('act', [nn.ReLU, nn.SiLU])
def test_the_network_stays_the_same_in_float(act):
    network, images = quantise(random_tiny(0, act)).double(), random_images().double()
    structure = read_structure(network)
    with in_float(network, map_groups(network, structure)):
        before = network(images)
    old = copy.deepcopy(network.chain.conv.cores[1].weight)
    balance_chains(network, structure, [images])
    with in_float(network, map_groups(network, structure)):
        torch.testing.assert_close(network(images), before)
    assert not torch.allclose(old, network.chain.conv.cores[1].weight)


def coarse(x: torch.Tensor) -> torch.Tensor:
    """In 32 steps each way."""
    step = x.abs().max() / 32
    return (x / step).round() * step


def lost(chain: TTConv2d, x: torch.Tensor) -> float:
    """Mean squared error of the sums when the maps between the cores are coarse."""
    made = x
    for core in chain.cores[:-1]:
        made = coarse(core(made))
    return float((chain.cores[-1](made) - chain(x)).square().mean())


@pytest.mark.parametrize('seed', range(3))
def test_coarse_maps_inside_of_a_chain_lose_less_than_with_cores_of_even_numbers(seed):
    """The channels that a chain reads are alike, and after a SiLU."""
    torch.manual_seed(seed)
    with torch.no_grad():
        chain = nn.Sequential(TTConv2d(24, 30, 3, (14, 12), padding=1)).double()
        chain[0].cores[-1].weight.mul_(1.3 ** torch.arange(12).double()[:, None, None])
        x, other = (random(4, 1, 9, 9, seed=seed + k) + 0.3 * random(4, 24, 9, 9, seed=seed + k + 9) for k in (1, 50))
        x, other = nn.functional.silu(x), nn.functional.silu(other)
        balance(chain[0].cores)
        before, cores = lost(chain[0], other), chain[0].cores
        for index, core in enumerate([*cores][:-1]):
            made = chain[0].cores[: index + 1](x).transpose(0, 1).flatten(1)
            mix, back = even_mix(made @ made.T / made.shape[1], columns_of(cores[index + 1 :]))
            core.weight.copy_(torch.einsum('sr,rihw->sihw', mix, core.weight))
            cores[index + 1].weight.copy_(torch.einsum('orhw,rs->oshw', cores[index + 1].weight, back))
        assert lost(chain[0], other) < 0.8 * before
