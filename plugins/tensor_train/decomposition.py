"""Tensor-Train form of a convolution kernel: TT-SVD and back.

TT-SVD is Oseledets' (2011); the order of the modes (input channels, positions, output channels) and the chain of three
convolutions are those of TT-YOLOv5 (arXiv 2408.01534), a pair for 1x1 kernels. O output channels, I input channels,
kernel kh x kw, ranks (r,) of a 1x1 kernel, (r1, r2) of any other.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Kernels = tuple[Tensor, ...]


def tt_svd(tensor: Tensor, ranks: Sequence[int]) -> list[Tensor]:
    """Cores (r_{i-1}, n_i, r_i) of a tensor (n_1, ..., n_d) with d - 1 ranks, float64; boundary ranks are 1.

    A rank above what an unfolding has is cut to it.

    Raises:
        ValueError: not d - 1 ranks of at least 1.
    """
    if len(ranks) != tensor.dim() - 1 or any(rank < 1 for rank in ranks):
        raise ValueError(f'{tensor.dim() - 1} ranks of at least 1 are wanted, not {tuple(ranks)}')
    rest, before, cores = tensor.double(), 1, []
    for size, rank in zip(tensor.shape[:-1], ranks, strict=True):
        left, values, right = torch.linalg.svd(rest.reshape(before * size, -1), full_matrices=False)
        rank = min(rank, len(values))
        cores.append(left[:, :rank].reshape(before, size, rank))
        rest, before = values[:rank, None] * right[:rank], rank
    cores.append(rest.reshape(before, tensor.shape[-1], 1))
    return cores


def max_ranks(out_channels: int, in_channels: int, kernel_size: Sequence[int]) -> tuple[int, ...]:
    """The ranks at which the chain is the kernel: (r,) of a 1x1 kernel, (r1, r2) of any other."""
    positions = kernel_size[0] * kernel_size[1]
    if positions == 1:
        return (min(in_channels, out_channels),)
    return min(in_channels, positions * out_channels), min(in_channels * positions, out_channels)


def check_ranks(weight: Tensor, ranks: Sequence[int]) -> None:
    """Refuse ranks that no chain of a kernel has.

    Raises:
        ValueError: ranks that a chain of this (O, I, kh, kw) kernel does not have.
    """
    full = max_ranks(weight.shape[0], weight.shape[1], weight.shape[2:])
    if len(ranks) != len(full) or not all(1 <= rank <= most for rank, most in zip(ranks, full, strict=True)):
        raise ValueError(f'ranks {tuple(ranks)}: {len(full)} of at least 1 and at most {full} are wanted')


def chain_from_kernel(weight: Tensor, ranks: Sequence[int]) -> Kernels:
    """Kernels of the chain by TT-SVD, in the type of ``weight``.

    Returns:
        (r, I, 1, 1), (O, r, 1, 1) of a 1x1 kernel; (r1, I, 1, 1), (r2, r1, kh, kw), (O, r2, 1, 1) of any other.

    Raises:
        ValueError: not as many ranks as bonds, or one below 1 or above the full rank.
    """
    check_ranks(weight, ranks)
    out, into, kh, kw = weight.shape
    if kh * kw == 1:
        cores = tt_svd(weight.reshape(out, into).T, ranks)
        return tuple(x.to(weight) for x in (cores[0][0].T[..., None, None], cores[1][..., 0].T[..., None, None]))
    cores = tt_svd(weight.reshape(out, into, kh * kw).permute(1, 2, 0), ranks)
    middle, last = widened(cores[1], cores[2][..., 0], ranks[1])
    return as_kernels(cores[0][0], middle, last, (kh, kw), weight)


def widened(middle: Tensor, last: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Cores (r1, n, r), (r, O) with r < ``rank`` widened to ``rank``, their product unchanged.

    A small r1 leaves no more than r1 n directions at the second bond. The others are zeros in the middle and new
    directions in the last core, so that training can use them: zeros in both would get no gradient.
    """
    missing = rank - len(last)
    if missing <= 0:
        return middle, last
    directions = torch.linalg.svd(last, full_matrices=True)[2]  # (O, O), the first r span the rows of ``last``
    middle = torch.cat([middle, middle.new_zeros(*middle.shape[:2], missing)], 2)
    return middle, torch.cat([last, directions[len(last) : rank]])


def as_kernels(first: Tensor, middle: Tensor, last: Tensor, kernel_size: Sequence[int], like: Tensor) -> Kernels:
    """Cores (I, r1), (r1, kh kw, r2), (r2, O) as kernels of three convolutions, in the type of ``like``."""
    middle = middle.permute(2, 0, 1).unflatten(2, tuple(kernel_size))
    return tuple(x.to(like) for x in (first.T[..., None, None], middle, last.T[..., None, None]))


def kernel_from_chain(kernels: Kernels) -> Tensor:
    """(O, I, kh, kw) kernel of the convolution that the chain is."""
    first, last = kernels[0][..., 0, 0], kernels[-1][..., 0, 0]
    if len(kernels) == 2:
        return (last @ first)[..., None, None]
    return torch.einsum('or,rshw,si->oihw', last, kernels[1], first)


def spectrum(weight: Tensor) -> tuple[Tensor, ...]:
    """Singular values of the unfolding at each bond, descending, float64; as many as the full rank."""
    out, into, kh, kw = weight.shape
    if kh * kw == 1:
        return (torch.linalg.svdvals(weight.reshape(out, into).double()),)
    tensor = weight.reshape(out, into, kh * kw).permute(1, 2, 0).double()
    return torch.linalg.svdvals(tensor.flatten(1)), torch.linalg.svdvals(tensor.flatten(0, 1))
