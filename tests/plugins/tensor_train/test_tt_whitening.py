"""Activation-aware chains: the optimum for 1x1 layers, better than TT-SVD for others, exact at full rank always."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from plugins.tensor_train.decomposition import chain_from_kernel, kernel_from_chain, max_ranks
from plugins.tensor_train.whitening import RIDGE, activation_spectrum, chain_from_kernel_and_moments, roots

INTO, OUT = 10, 8


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moment(maps: Tensor) -> Tensor:
    """Mean of x x^T over images and positions of (N, C, H, W)."""
    return torch.einsum('nchw,ndhw->cd', maps, maps) / maps[:, 0].numel()


def correlated(seed: int = 1, mixing: int = 2) -> Tensor:
    """(6, INTO, 12, 12): few sources in all channels, smooth in the plane, not centred, a little noise."""
    sources = F.avg_pool2d(draw(6, 4, 14, 14, seed=seed), 3, 1)
    maps = torch.einsum('nshw,cs->nchw', sources, draw(INTO, 4, seed=mixing))
    return maps + 0.5 + 0.05 * draw(6, INTO, 12, 12, seed=seed + 1000)


def loss(weight: Tensor, kernel: Tensor, maps: Tensor) -> float:
    """Mean square, over images and positions, of what the output loses."""
    return F.conv2d(maps, weight - kernel).square().sum(1).mean().item()


def aware(weight: Tensor, ranks: tuple[int, ...], maps: Tensor) -> Tensor:
    return kernel_from_chain(chain_from_kernel_and_moments(weight, ranks, moment(maps), moment(F.conv2d(maps, weight))))


def plain(weight: Tensor, ranks: tuple[int, ...]) -> Tensor:
    return kernel_from_chain(chain_from_kernel(weight, ranks))


def alternating_least_squares(inputs: np.ndarray, outputs: np.ndarray, rank: int, seed: int) -> float:
    """Mean square of outputs - inputs A B with A, B of ``rank``, fitted in turns from a random beginning."""
    second = np.random.default_rng(seed).normal(size=(rank, outputs.shape[1]))
    for _ in range(300):
        first = np.linalg.lstsq(inputs, outputs @ np.linalg.pinv(second), rcond=None)[0]
        second = np.linalg.lstsq(inputs @ first, outputs, rcond=None)[0]
    return ((outputs - inputs @ first @ second) ** 2).sum(1).mean()


@pytest.mark.parametrize('rank', [1, 2, 3, 5, 7])
def test_a_1x1_layer_loses_the_least_that_is_possible(rank):
    weight, maps = draw(OUT, INTO, 1, 1), correlated()
    lost = loss(weight, aware(weight, (rank,), maps), maps)
    inputs = maps.transpose(0, 1).flatten(1).T.numpy()
    outputs = inputs @ weight[..., 0, 0].T.numpy()
    bound = (np.linalg.svd(outputs, compute_uv=False)[rank:] ** 2).sum() / len(outputs)  # of any rank-r output
    assert lost == pytest.approx(bound, rel=1e-4)
    searched = [alternating_least_squares(inputs, outputs, rank, seed) for seed in range(3)]
    assert lost <= min(searched) * (1 + 1e-4) and lost == pytest.approx(min(searched), rel=1e-2)
    assert lost < loss(weight, plain(weight, (rank,)), maps)


@pytest.mark.parametrize('ranks', [(2, 2), (3, 4), (5, 3), (6, 6), (8, 5)])
@pytest.mark.parametrize('seed', range(5))
def test_a_3x3_layer_loses_less_than_by_tt_svd(ranks, seed):
    weight, maps, unseen = draw(OUT, INTO, 3, 3, seed=seed), correlated(10), correlated(20)
    own, other = aware(weight, ranks, maps), plain(weight, ranks)
    assert loss(weight, own, maps) < loss(weight, other, maps)
    assert loss(weight, own, unseen) < loss(weight, other, unseen)


@pytest.mark.parametrize('rank', [1, 3, 6])
def test_the_second_rank_alone_loses_the_least_that_is_possible(rank):
    weight, maps = draw(OUT, INTO, 3, 3), correlated()
    lost = loss(weight, aware(weight, (INTO, rank), maps), maps)
    outputs = F.conv2d(maps, weight).transpose(0, 1).flatten(1).T.numpy()
    bound = (np.linalg.svd(outputs, compute_uv=False)[rank:] ** 2).sum() / len(outputs)
    assert lost == pytest.approx(bound, rel=1e-4)


def test_the_first_rank_alone_loses_the_least_where_neighbours_are_independent():
    weight = draw(OUT, INTO, 3, 3)
    mixing = draw(INTO, INTO, seed=1) * torch.arange(1, INTO + 1)
    maps = torch.einsum('nshw,cs->nchw', draw(4, INTO, 90, 90, seed=2), mixing)
    for rank in (2, 5, 8):
        values = activation_spectrum(weight, moment(maps), moment(F.conv2d(maps, weight)))[0]
        lost = loss(weight, aware(weight, (rank, OUT), maps), maps)
        assert lost == pytest.approx(values[rank:].square().sum().item(), rel=0.1)


@pytest.mark.parametrize('size', [1, 3])
def test_the_spectrum_is_what_each_rank_loses(size):
    weight, maps = draw(OUT, INTO, size, size), correlated()
    found = activation_spectrum(weight, moment(maps), moment(F.conv2d(maps, weight)))
    assert [len(x) for x in found] == list(max_ranks(OUT, INTO, (size, size)))
    assert all((x >= 0).all() and (x.diff() <= 0).all() for x in found)
    for rank in range(1, OUT):
        ranks = (rank,) if size == 1 else (INTO, rank)
        expected = loss(weight, aware(weight, ranks, maps), maps)
        assert found[-1][rank:].square().sum().item() == pytest.approx(expected, rel=1e-3)


def moments_of(kind: str, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Singular moments: no image, one position, dead channels, or two that do not belong together."""
    out, into = weight.shape[:2]
    flat = weight.flatten(1)
    if kind == 'zeros':
        return torch.zeros(into, into), torch.zeros(out, out)
    if kind == 'one position':
        x, y = draw(into, seed=3), flat @ draw(flat.shape[1], seed=4)
        return torch.outer(x, x), torch.outer(y, y)
    if kind == 'dead channels':
        alive = (torch.arange(into) % 2).double()
        points = flat @ draw(flat.shape[1], 5, seed=3)
        return 1e4 * torch.diag(alive), points @ points.T
    points = draw(out, 2, seed=5)
    return 1e-6 * torch.outer(torch.ones(into), torch.ones(into)), points @ points.T


@pytest.mark.parametrize('kind', ['zeros', 'one position', 'dead channels', 'strangers'])
@given(st.integers(1, 40), st.integers(1, 9), st.sampled_from([(1, 1), (3, 3), (1, 2)]), st.integers(0, 99))
def test_full_rank_is_the_kernel_whatever_the_moments(kind, out, into, size, seed):
    weight = draw(out, into, *size, seed=seed).float()
    moments = moments_of(kind, weight.double())
    kernels = chain_from_kernel_and_moments(weight, max_ranks(out, into, size), *moments)
    assert all(x.dtype == torch.float32 for x in kernels)
    torch.testing.assert_close(kernel_from_chain(kernels), weight, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('kind', ['zeros', 'one position', 'dead channels', 'strangers'])
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([(1, 1), (3, 3)]), st.data())
def test_every_rank_has_finite_kernels_of_its_shape(kind, out, into, size, data):
    weight = draw(out, into, *size)
    ranks = tuple(data.draw(st.integers(1, full)) for full in max_ranks(out, into, size))
    kernels = chain_from_kernel_and_moments(weight, ranks, *moments_of(kind, weight))
    assert [x.shape for x in kernels] == [x.shape for x in chain_from_kernel(weight, ranks)]
    assert all(x.isfinite().all() for x in kernels)


@pytest.mark.parametrize('rank', [1, 3, 6])
def test_without_an_image_the_kernel_decides(rank):
    weight = draw(OUT, INTO, 3, 3)
    moments = moments_of('zeros', weight)
    for ranks, matrix in (((INTO, rank), weight.flatten(1)), ((rank, OUT), weight.transpose(0, 1).flatten(1))):
        kernel = kernel_from_chain(chain_from_kernel_and_moments(weight, ranks, *moments))
        expected = (np.linalg.svd(matrix.numpy(), compute_uv=False)[rank:] ** 2).sum()
        assert (weight - kernel).square().sum().item() == pytest.approx(expected)


def test_no_rank_is_spent_on_dead_channels():
    weight, maps = draw(OUT, INTO, 1, 1), correlated()
    weight[:, :5] *= 100  # what TT-SVD of the kernel keeps first
    maps[:, :5] = 0
    rest = aware(weight[:, 5:], (3,), maps[:, 5:])
    expected = loss(weight[:, 5:], rest, maps[:, 5:])
    assert loss(weight, aware(weight, (3,), maps), maps) == pytest.approx(expected, rel=1e-3)


def test_a_kernel_of_zeros_stays_zero():
    for size in (1, 3):
        kernels = chain_from_kernel_and_moments(torch.zeros(4, 3, size, size), (2,) * (1 + (size > 1)),
                                                torch.eye(3), torch.ones(4, 4))  # fmt: skip
        assert not kernel_from_chain(kernels).any()


def test_roots_are_inverse_and_square_to_the_moment():
    points = draw(5, 3)
    own = points @ points.T  # rank 3 of 5
    root, inverse = roots(own)
    ridge = RIDGE * own.trace() / 5 * torch.eye(5)
    torch.testing.assert_close(root @ root, own + ridge)
    torch.testing.assert_close(root @ inverse, torch.eye(5, dtype=torch.float64))
    torch.testing.assert_close(roots(torch.zeros(2, 2))[0], torch.eye(2, dtype=torch.float64))


@pytest.mark.parametrize('ranks', [(1,), (0, 1), (1, 9), (4, 1)])
def test_ranks_that_a_kernel_does_not_have_are_refused(ranks):
    with pytest.raises(ValueError, match='are wanted'):
        chain_from_kernel_and_moments(torch.ones(8, 3, 3, 3), ranks, torch.eye(3), torch.eye(8))
