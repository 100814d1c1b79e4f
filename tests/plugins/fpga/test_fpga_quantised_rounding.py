"""Kernels rounded for their inputs; Tensor-Train cores of even numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

pytest.importorskip('brevitas', reason='the extra [fpga] is not installed')

from tiny_quantised import random_images, random_tiny

from plugins.fpga.quantised import calibration, error_feedback
from plugins.fpga.quantised.balance import balance, balanced_factors, rotation
from plugins.fpga.quantised.error_feedback import correlations, moved, round_kernel, round_with_feedback
from plugins.fpga.quantised.fixed_point import to_integers
from plugins.fpga.quantised.replace import quantise
from plugins.fpga.quantised.scales import map_groups
from plugins.fpga.quantised.structure import read_structure
from plugins.fpga.quantised.watching import in_float
from plugins.tensor_train.tt_conv import TTConv2d


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(frac=st.integers(2, 6), seed=st.integers(0, 10))
def test_without_correlation_it_is_rounding_to_the_nearest(frac, seed):
    weight = random(4, 9, seed=seed)
    nearest = to_integers(weight, frac) * 2.0**-frac
    assert torch.equal(round_with_feedback(weight, torch.eye(9, dtype=torch.float64), frac), nearest)


def test_two_equal_inputs_are_rounded_as_their_sum():
    weight, same = torch.tensor([[0.4, 0.4]]).double(), torch.ones(2, 2, dtype=torch.float64)
    assert round_with_feedback(weight, same, 0).sum() == 1  # to the nearest: 0 + 0; the sum is .8


def test_bright_even_images_lose_less_than_by_the_nearest():
    images = 0.8 + 0.05 * random(4, 3, 20, 20).float()
    conv, frac = nn.Conv2d(3, 16, 6, stride=2, padding=2, bias=False), 5
    kernel = random(16, 3, 6, 6, seed=1).float()
    kernel -= kernel.mean((1, 2, 3), keepdim=True)
    with torch.no_grad():
        losses = []
        for weight in (kernel, to_integers(kernel, frac) * 2.0**-frac, None):
            conv.weight.copy_(kernel if weight is None else weight)
            if weight is None:
                round_kernel(conv, images, images, frac)
                assert torch.equal(to_integers(conv.weight, frac) * 2.0**-frac, conv.weight)
            losses.append(conv(images))
        exact, nearest, rounded = losses
        assert (rounded - exact).square().mean() < 0.1 * (nearest - exact).square().mean()


def test_the_correlation_is_that_of_all_places():
    conv, x = nn.Conv2d(2, 3, 3, stride=2, padding=1), random(2, 2, 6, 6)
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    columns = [padded[n, :, i : i + 3, j : j + 3].ravel() for n in range(2) for i in (0, 2, 4) for j in (0, 2, 4)]
    expected = np.mean([np.outer(column, column) for column in columns], axis=0)
    correlation, cross = correlations(conv, x, 3 * x)
    np.testing.assert_allclose(correlation, expected, atol=1e-12)
    np.testing.assert_allclose(cross, 3 * expected, atol=1e-12)


@given(seed=st.integers(0, 10))
def test_a_kernel_moves_towards_its_exact_sums_and_no_farther_than_they_need(seed):
    weight, exact, noise = random(4, 9, seed=seed), random(9, 500, seed=seed + 20), random(9, 500, seed=seed + 40)
    torch.testing.assert_close(moved(weight, exact @ exact.T, exact @ exact.T), weight)
    given = 0.7 * exact + 0.1 * noise
    new = moved(weight, given @ given.T, exact @ given.T)
    lost = [float((some @ given - weight @ exact).square().sum()) for some in (weight, new)]
    assert lost[1] < 0.6 * lost[0]
    assert (new - weight).norm() < weight.norm()


def test_maps_of_zeros_leave_a_kernel_as_it_is():
    weight, zeros = random(4, 9), torch.zeros(9, 9, dtype=torch.float64)
    torch.testing.assert_close(moved(weight, zeros, zeros), weight)


@given(rank=st.integers(1, 6), before=st.integers(1, 8), behind=st.integers(1, 8))
def test_factors_become_balanced_and_keep_their_product(rank, before, behind):
    rows, columns = random(rank, before) * 100, random(behind, rank, seed=1)
    new_rows, new_columns = balanced_factors(rows, columns)
    torch.testing.assert_close(new_columns @ new_rows, columns @ rows)
    gram = new_rows @ new_rows.T
    torch.testing.assert_close(gram, new_columns.T @ new_columns)
    torch.testing.assert_close(gram, gram.diagonal().diag())


@pytest.mark.parametrize(('kernel', 'ranks'), [(1, (5,)), (3, (6, 4))])
def test_uneven_cores_become_even_and_compute_the_same(kernel, ranks):
    torch.manual_seed(0)
    chain = TTConv2d(8, 10, kernel, ranks, padding=kernel // 2).double()
    sizes = 10.0 ** torch.arange(-2, ranks[-1] - 2).double()
    with torch.no_grad():
        chain.cores[-1].weight.mul_(sizes[:, None, None])
        chain.cores[-2].weight.div_(sizes[:, None, None, None])
    images, lost = random(2, 8, 7, 7), []
    exact, weight = chain(images).detach(), chain.weight.detach()
    for _ in range(2):
        rounded = [to_integers(core.weight, 6 - int(core.weight.abs().max().log2().ceil())) for core in chain.cores]
        again = TTConv2d(8, 10, kernel, ranks).double()
        with torch.no_grad():
            for core, values, own in zip(again.cores, rounded, chain.cores, strict=True):
                core.weight.copy_(values * 2.0 ** -(6 - int(own.weight.abs().max().log2().ceil())))
        lost.append(float((again.weight.detach() - weight).square().sum() / weight.square().sum()))
        balance(chain.cores)
        torch.testing.assert_close(chain(images), exact)
    assert lost[1] < 1e-2 < 0.1 < lost[0]


def test_a_rotation_keeps_lengths():
    torch.testing.assert_close(rotation(7) @ rotation(7).T, torch.eye(7, dtype=torch.float64))


@pytest.mark.parametrize('act', [nn.ReLU, nn.SiLU])
def test_kernels_that_make_up_for_their_inputs_lose_less_on_other_images(act, monkeypatch):
    """With maps of few bits, as the effect is small in a network of eight layers."""
    coarse = calibration.fitting_fracs
    monkeypatch.setattr(calibration, 'fitting_fracs', lambda *args: {k: v - 4 for k, v in coarse(*args).items()})
    lost = {True: [], False: []}
    for moves, logarithms in lost.items():
        if not moves:
            monkeypatch.setattr(error_feedback, 'moved', lambda weight, *_: weight.double())
        for seed in range(4):
            network, images = quantise(random_tiny(seed, act)), random_images(32, seed + 50)
            with torch.no_grad(), in_float(network, map_groups(network, read_structure(network))):
                exact = network(images)
            calibration.calibrate(network, [random_images(32, seed + 9), random_images(32, seed + 10)])
            with torch.no_grad():
                logarithms += [(x - y).square().mean().log() for x, y in zip(network(images), exact, strict=True)]
    assert torch.stack(lost[True]).mean() < torch.stack(lost[False]).mean() - 0.05
