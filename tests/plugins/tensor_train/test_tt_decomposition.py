"""TT-SVD against tensorly and numpy, the chain of a kernel against loops, full ranks against ranks of matrices."""

from itertools import product
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plugins.tensor_train.decomposition import (
    chain_from_kernel,
    kernel_from_chain,
    max_ranks,
    spectrum,
    tt_svd,
)

MODES = st.lists(st.integers(1, 6), min_size=2, max_size=5)
KERNELS = st.tuples(st.integers(1, 12), st.integers(1, 9), st.sampled_from([(1, 1), (3, 3), (1, 3), (2, 1)]))
SEEDS = st.integers(0, 2**31 - 1)


def draw(shape, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tensor_from_cores(cores: list[torch.Tensor]) -> torch.Tensor:
    """(n_1, ..., n_d) tensor of cores (r_{i-1}, n_i, r_i)."""
    tensor = cores[0]
    for core in cores[1:]:
        tensor = torch.tensordot(tensor, core, dims=1)
    return tensor[0, ..., 0]


def cut_ranks(shape, ranks) -> tuple[int, ...]:
    """The ranks that TT-SVD has of a tensor of this shape: each at most what its unfolding leaves."""
    before, found = 1, []
    for bond, rank in enumerate(ranks):
        before = min(rank, before * shape[bond], prod(shape[bond + 1 :]))
        found.append(before)
    return tuple(found)


def unfoldings(weight: torch.Tensor) -> list[np.ndarray]:
    """The matrix of each bond, written out by its definition: rows are the modes before it."""
    out, into, kh, kw = weight.shape
    tensor = np.empty((into, kh * kw, out))
    for o, i, y, x in product(range(out), range(into), range(kh), range(kw)):
        tensor[i, y * kw + x, o] = weight[o, i, y, x]
    if kh * kw == 1:
        return [tensor[:, 0]]
    return [tensor.reshape(into, -1), tensor.reshape(-1, out)]


@given(MODES, SEEDS, st.data())
def test_the_error_is_that_of_tensorly(modes, seed, data):
    tl = pytest.importorskip('tensorly', reason='tensorly is the oracle: pip install tensorly')
    from tensorly.decomposition import tensor_train

    ranks = cut_ranks(modes, data.draw(st.lists(st.integers(1, 8), min_size=len(modes) - 1, max_size=len(modes) - 1)))
    tensor = draw(modes, seed)
    theirs = tl.tt_to_tensor(tensor_train(tl.tensor(tensor.numpy()), rank=[1, *ranks, 1]))
    cores = tt_svd(tensor, ranks)
    assert [tuple(x.shape) for x in cores] == [*zip((1, *ranks), modes, (*ranks, 1), strict=True)]
    expected = np.linalg.norm(theirs - tensor.numpy())
    assert (tensor_from_cores(cores) - tensor).norm().item() == pytest.approx(expected, abs=1e-9)


@given(MODES, SEEDS)
def test_full_ranks_give_the_tensor(modes, seed):
    tensor = draw(modes, seed)
    cores = tt_svd(tensor, [999] * (len(modes) - 1))
    assert [x.shape[2] for x in cores[:-1]] == list(cut_ranks(modes, [999] * (len(modes) - 1)))
    torch.testing.assert_close(tensor_from_cores(cores), tensor)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8), SEEDS)
def test_of_a_matrix_nothing_is_nearer(rows, columns, rank, seed):
    matrix = draw((rows, columns), seed)
    lost = (tensor_from_cores(tt_svd(matrix, [rank])) - matrix).square().sum().item()
    values = np.linalg.svd(matrix.numpy(), compute_uv=False)
    assert lost == pytest.approx((values[rank:] ** 2).sum(), abs=1e-9)


@given(KERNELS, SEEDS, st.data())
def test_the_loss_lies_between_the_worst_bond_and_the_sum_of_bonds(shape, seed, data):
    """Oseledets (2011), theorem 2.2; the smallest possible loss is that of the worst bond."""
    out, into, size = shape
    weight = draw((out, into, *size), seed)
    ranks = [data.draw(st.integers(1, full)) for full in max_ranks(out, into, size)]
    lost = (kernel_from_chain(chain_from_kernel(weight, ranks)) - weight).square().sum().item()
    tails = [
        (np.linalg.svd(matrix, compute_uv=False)[rank:] ** 2).sum()
        for matrix, rank in zip(unfoldings(weight), ranks, strict=True)
    ]
    assert max(tails) - 1e-9 <= lost <= sum(tails) + 1e-9


@given(KERNELS, SEEDS, st.data())
def test_every_chain_has_the_ranks_asked_for_and_the_error_of_tensorly(shape, seed, data):
    tl = pytest.importorskip('tensorly', reason='tensorly is the oracle: pip install tensorly')
    from tensorly.decomposition import tensor_train

    out, into, size = shape
    weight = draw((out, into, *size), seed)
    ranks = tuple(data.draw(st.integers(1, full)) for full in max_ranks(out, into, size))
    kernels = chain_from_kernel(weight, ranks)
    if size == (1, 1):
        modes, shapes = (into, out), [(ranks[0], into, 1, 1), (out, ranks[0], 1, 1)]
    else:
        modes = into, size[0] * size[1], out
        shapes = [(ranks[0], into, 1, 1), (ranks[1], ranks[0], *size), (out, ranks[1], 1, 1)]
    assert [tuple(x.shape) for x in kernels] == shapes
    tensor = unfoldings(weight)[0].reshape(modes)
    theirs = tl.tt_to_tensor(tensor_train(tl.tensor(tensor), rank=[1, *cut_ranks(modes, ranks), 1]))
    expected = np.linalg.norm(theirs - tensor)
    assert (kernel_from_chain(kernels) - weight).norm().item() == pytest.approx(expected, abs=1e-9)


def test_directions_that_a_small_first_rank_leaves_empty_can_learn():
    first, middle, last = (x.requires_grad_() for x in chain_from_kernel(draw((32, 3, 3, 3), 0), (1, 13)))
    (kernel_from_chain((first, middle, last)) - draw((32, 3, 3, 3), 1)).square().sum().backward()
    assert not middle[9:].any() and middle.grad.flatten(1).norm(dim=1).min() > 1e-3


@pytest.mark.parametrize('size', [(1, 1), (2, 3)])
def test_the_kernel_of_a_chain_is_the_sum_over_its_bonds(size):
    r1, r2 = 2, 3
    shapes = [(r1, 4, 1, 1), (r2, r1, *size), (5, r2, 1, 1)] if size != (1, 1) else [(r1, 4, 1, 1), (5, r1, 1, 1)]
    chain = [draw(shape, i) for i, shape in enumerate(shapes)]
    expected = torch.zeros(5, 4, *size, dtype=torch.float64)
    for o, i, y, x, a, b in product(range(5), range(4), range(size[0]), range(size[1]), range(r1), range(r2)):
        if size == (1, 1):
            expected[o, i] += chain[0][a, i] * chain[1][o, a] / r2  # the sum over b counts each term r2 times
        else:
            expected[o, i, y, x] += chain[0][a, i, 0, 0] * chain[1][b, a, y, x] * chain[2][o, b, 0, 0]
    torch.testing.assert_close(kernel_from_chain(tuple(chain)), expected)


@given(KERNELS, SEEDS)
def test_full_ranks_are_the_ranks_of_the_unfoldings(shape, seed):
    out, into, size = shape
    weight = draw((out, into, *size), seed)
    assert max_ranks(out, into, size) == tuple(np.linalg.matrix_rank(matrix) for matrix in unfoldings(weight))
    kernel = kernel_from_chain(chain_from_kernel(weight.float(), max_ranks(out, into, size)))
    torch.testing.assert_close(kernel, weight.float(), atol=1e-5, rtol=1e-5)
    assert kernel.dtype == torch.float32


@given(KERNELS, SEEDS)
def test_the_spectrum_is_that_of_each_unfolding(shape, seed):
    out, into, size = shape
    weight = draw((out, into, *size), seed)
    found = spectrum(weight)
    for values, matrix, full in zip(found, unfoldings(weight), max_ranks(out, into, size), strict=True):
        np.testing.assert_allclose(values, np.linalg.svd(matrix, compute_uv=False), atol=1e-9)
        assert len(values) == full


@pytest.mark.parametrize('ranks', [(), (1,), (1, 1, 1), (0, 1), (1, -1), (4, 1), (1, 9)])
def test_ranks_that_a_kernel_does_not_have_are_refused(ranks):
    with pytest.raises(ValueError, match=r'2 of at least 1 and at most \(3, 8\) are wanted'):
        chain_from_kernel(torch.zeros(8, 3, 3, 3), ranks)


@pytest.mark.parametrize('ranks', [(), (1,), (1, 0), (1, 1, 1)])
def test_tt_svd_wants_a_rank_a_bond(ranks):
    with pytest.raises(ValueError, match='2 ranks of at least 1 are wanted'):
        tt_svd(torch.zeros(2, 3, 4), ranks)
