"""Tensor-Train cores of even numbers, of which a kernel is rebuilt: 8 bits a core want entries of one size.

A chain stays the same when the rows of a core are mixed by an invertible matrix and the columns of the next one by its
inverse. Here both sides of each bond get the same Gram matrix, diag(s), and are then rotated at random, so that no
rank is small. Ours; rotation before rounding is known from QuIP (Chee et al., arXiv 2307.13304).

r rank of a bond, M entries of a row of the core before it, N of a column of the core behind it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

SWEEPS = 3  # over both bonds of three cores, whose balance changes each other


@torch.no_grad()
def balance(cores: Sequence[nn.Conv2d]) -> None:
    """Give a chain of convolutions even kernels, in place; what it computes stays the same, but for float rounding."""
    weights = [core.weight.double() for core in cores]
    for rotate in [False] * (SWEEPS - 1) + [True]:
        for bond in range(len(weights) - 1):
            weights[bond : bond + 2] = _balanced(*weights[bond : bond + 2], rotate)
    for core, weight in zip(cores, weights, strict=True):
        core.weight.copy_(weight)


def _balanced(before: Tensor, behind: Tensor, rotate: bool) -> tuple[Tensor, Tensor]:
    """Kernels (r, ...) and (O, r, kh, kw), mixed at their bond."""
    rows, columns = before.flatten(1), behind.transpose(1, 3).flatten(0, 2)
    rows, columns = balanced_factors(rows, columns)
    if rotate:
        turn = rotation(len(rows)).to(rows)
        rows, columns = turn @ rows, columns @ turn.T
    out, _, height, width = behind.shape
    return rows.view_as(before), columns.view(out, width, height, -1).transpose(1, 3)


def balanced_factors(rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """(r, M) and (N, r) -> the same shapes, the same product, rows @ rows.T = columns.T @ columns = diag(s)."""
    right, lower = torch.linalg.qr(rows.T)  # rows = lower.T @ right.T
    left, upper = torch.linalg.qr(columns)
    u, s, vh = torch.linalg.svd(upper @ lower.T, full_matrices=False)
    u, s, vh = u[:, : len(rows)], s[: len(rows)], vh[: len(rows)]
    new_rows, new_columns = torch.zeros_like(rows), torch.zeros_like(columns)
    new_rows[: len(s)] = s.sqrt()[:, None] * (vh @ right.T)
    new_columns[:, : len(s)] = (left @ u) * s.sqrt()
    return new_rows, new_columns


def rotation(size: int) -> Tensor:
    """(size, size) float64 orthogonal, random but always the same."""
    normal = torch.randn(size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.linalg.qr(normal)[0]
