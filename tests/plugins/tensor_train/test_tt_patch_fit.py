"""Chains fitted to patches: never worse than the whitened ones, exact where patches allow it, exact at full rank."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from plugins.tensor_train.decomposition import kernel_from_chain, max_ranks
from plugins.tensor_train.layer_moments import Moments, layer_moments
from plugins.tensor_train.patch_fit import chain_for_images, fit_others, outputs_of, product
from plugins.tensor_train.whitening import chain_from_kernel_and_moments

INTO, OUT = 10, 8


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def smooth(seed: int) -> Tensor:
    """(8, INTO, 10, 10): independent channels, smooth in the plane, a little noise."""
    return F.avg_pool2d(draw(8, INTO, 14, 14, seed=seed), 5, 1) + 0.02 * draw(8, INTO, 10, 10, seed=seed + 1)


def setting(seed: int = 0, **place) -> tuple[nn.Conv2d, Tensor, Moments]:
    conv = nn.Conv2d(INTO, OUT, 3, bias=False, **place).double()
    conv.weight.data = draw(OUT, INTO, 3, 3, seed=seed)
    maps = smooth(seed + 10)
    return conv, maps, layer_moments(nn.Sequential(conv), conv, [maps], ['0'])['0']


def loss(conv: nn.Conv2d, kernel: Tensor, maps: Tensor) -> float:
    """Mean square, over images and positions, of what the output loses."""
    with torch.no_grad():
        return F.conv2d(maps, conv.weight - kernel, None, conv.stride, conv.padding).square().sum(1).mean().item()


def kernels_of(conv: nn.Conv2d, ranks: tuple[int, ...], moments: Moments) -> tuple[Tensor, Tensor]:
    """The whitened kernel and the fitted one."""
    weight = conv.weight.detach()
    whitened = chain_from_kernel_and_moments(weight, ranks, moments.input, moments.output)
    return tuple(kernel_from_chain(x) for x in (whitened, chain_for_images(weight, ranks, moments)))


@pytest.mark.parametrize('place', [{}, {'padding': 1}, {'padding': 1, 'stride': 2}])
@given(st.integers(1, INTO), st.integers(1, OUT), st.integers(0, 99))
def test_the_output_loses_no_more_than_by_whitening(place, first, second, seed):
    conv, maps, moments = setting(seed, **place)
    whitened, fitted = kernels_of(conv, (first, second), moments)
    assert loss(conv, fitted, maps) <= loss(conv, whitened, maps) * (1 + 1e-9)


@pytest.mark.parametrize('ranks', [(2, 2), (3, 4), (5, 3), (6, 8)])
def test_smooth_maps_lose_much_less_also_those_that_were_not_seen(ranks):
    conv, maps, moments = setting(3, padding=1)
    whitened, fitted = kernels_of(conv, ranks, moments)
    for own in (maps, smooth(77)):
        assert loss(conv, fitted, own) < 0.9 * loss(conv, whitened, own)


def test_maps_that_are_the_same_everywhere_need_the_rank_of_the_kernels_sum_alone():
    """Of a patch of equal pixels a kernel sees one: the sum over its positions, here of rank 1, decides."""
    conv = nn.Conv2d(INTO, OUT, 3, bias=False).double()
    kernel = draw(OUT, INTO, 3, 3)
    kernel -= kernel.mean((2, 3), keepdim=True)
    conv.weight.data = kernel + torch.outer(draw(OUT, seed=1), draw(INTO, seed=2))[..., None, None]
    maps = draw(40, INTO, 1, 1, seed=3).expand(-1, -1, 5, 5)
    moments = layer_moments(nn.Sequential(conv), conv, [maps], ['0'])['0']
    whitened, fitted = kernels_of(conv, (1, 1), moments)
    whole = loss(conv, torch.zeros_like(kernel), maps)
    assert loss(conv, whitened, maps) > 0.02 * whole
    assert loss(conv, fitted, maps) < 1e-3 * whole


def test_the_last_two_cores_are_the_best_for_a_given_first():
    """Against regression of the outputs on what the first core lets through, and the SVD of what that predicts."""
    conv, maps, moments = setting(5)
    first, rank = draw(3, INTO, seed=9), 4
    target = conv.weight.detach().flatten(2)
    rest, last = fit_others(target, torch.zeros(OUT, 3, 9).double(), first, moments.patch, torch.zeros(OUT, OUT), rank)
    seen = F.unfold(torch.einsum('nihw,ri->nrhw', maps, first), 3).transpose(0, 1).flatten(1).T.numpy()
    outputs = conv(maps).detach().transpose(0, 1).flatten(1).T.numpy()
    predicted = seen @ np.linalg.lstsq(seen, outputs, rcond=None)[0]
    values = np.linalg.svd(predicted, compute_uv=False)[rank:]
    best = (((outputs - predicted) ** 2).sum() + (values**2).sum()) / len(outputs)
    assert outputs_of(target - product(rest, first), moments.patch).trace() == pytest.approx(best, rel=1e-4)
    torch.testing.assert_close(last.T @ last, torch.eye(rank).double())


def singular(kind: str, out: int, into: int, size: int) -> Moments:
    """Moments of nothing, of one patch, or of dead channels."""
    patches = {
        'zeros': torch.zeros(into * size * size, 3),
        'one patch': draw(into * size * size, 1, seed=4),
        'dead channels': (draw(into, size * size, 9, seed=5) * (torch.arange(into) % 2)[:, None, None]).flatten(0, 1),
    }[kind].double()
    pixels = patches.unflatten(0, (into, -1)).flatten(1)
    outputs = draw(out, into * size * size) @ patches
    return Moments(*(x @ x.T for x in (pixels, outputs, patches)))


@pytest.mark.parametrize('kind', ['zeros', 'one patch', 'dead channels'])
@given(st.integers(1, 12), st.integers(1, 9), st.data())
def test_full_rank_is_the_kernel_and_every_rank_is_finite_whatever_the_moments(kind, out, into, data):
    weight, full = draw(out, into, 3, 3).float(), max_ranks(out, into, (3, 3))
    moments = singular(kind, out, into, 3)
    whole = kernel_from_chain(chain_for_images(weight, full, moments))
    torch.testing.assert_close(whole, weight, atol=1e-5, rtol=1e-5)
    ranks = tuple(data.draw(st.integers(1, most)) for most in full)
    kernels = chain_for_images(weight, ranks, moments)
    assert [len(x) for x in kernels] == [*ranks, out]
    assert all(x.isfinite().all() and x.dtype == torch.float32 for x in kernels)


@pytest.mark.parametrize('size', [1, 3])
def test_without_a_moment_of_patches_it_is_the_whitened_chain(size):
    weight, ranks = draw(OUT, INTO, size, size), (3,) if size == 1 else (3, 4)
    moments = Moments(torch.eye(INTO), torch.eye(OUT), None if size == 3 else torch.eye(INTO))
    expected = chain_from_kernel_and_moments(weight, ranks, moments.input, moments.output)
    for own, other in zip(chain_for_images(weight, ranks, moments), expected, strict=True):
        assert torch.equal(own, other)
