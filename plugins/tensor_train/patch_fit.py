"""Chains fitted to the patches that a k x k kernel sees, not to single pixels.

Whitening by the moment of pixels (:mod:`whitening`) is the optimum of the first bond where neighbouring pixels are
independent and maps have no border. They are not: what the output loses is |W - W'|^2 weighted by the moment of whole
patches, zeros of the padding and the positions of the stride included. Known parts: alternating least squares, and for
a given first core the reduced-rank regression that gives both others (Izenman, 1975). Ours: both with the moment of
patches, from the whitened chain on, which is kept where the end is no better.

O output channels, I input channels, K = kh kw positions, ranks r1, r2. Cores: first (r1, I); rest (O, r1, K), the
product of the other two; last (O, r2), orthonormal columns.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .decomposition import Kernels, as_kernels
from .layer_moments import Moments
from .whitening import RIDGE, chain_from_kernel_and_moments, roots

SHRINKAGE = 0.01  # share of the moment that stands for independent pixels: few images say little of large patches
EXACT = 1e-10  # share of the output's energy: a chain that loses no more is left alone
ROUNDS = 2  # of fitting the first core, then the others
STEPS = 8  # of conjugate gradients, of which a fit of the first core consists


def chain_for_images(weight: Tensor, ranks: Sequence[int], moments: Moments) -> Kernels:
    """Kernels of the chain that loses little of the output for the images; full ranks give the kernel itself.

    Raises:
        ValueError: not as many ranks as bonds, or one below 1 or above the full rank.
    """
    kernels = chain_from_kernel_and_moments(weight, ranks, moments.input, moments.output)
    if moments.patch is None or len(kernels) == 2:
        return kernels
    return fit_to_patches(weight, kernels, moments)


def fit_to_patches(weight: Tensor, kernels: Kernels, moments: Moments) -> Kernels:
    """Kernels of the same ranks that lose no more of the output for these patches; an exact chain stays as it is.

    Args:
        weight: (O, I, kh, kw) of the dense convolution; kernels: of its chain of three.
    """
    seen, pixels = moments.patch.double(), moments.input.double()
    target, moment = weight.double().flatten(2), shrunk(seen, pixels)
    beyond = moments.output.double() - outputs_of(target, seen)
    first, last = kernels[0].double()[..., 0, 0], kernels[2].double()[..., 0, 0]
    rest, rank = torch.einsum('os,srk->ork', last, kernels[1].double().flatten(2)), last.shape[1]
    before = outputs_of(target - product(rest, first), seen).trace()
    if before <= EXACT * outputs_of(target, seen).trace():
        return kernels
    rest, last = fit_others(target, rest, first, moment, beyond, rank)
    for _ in range(ROUNDS):
        first = fit_first(torch.tensordot(last, target, ([0], [0])), first, fold(rest, last), moment)
        root, inverse = roots(first @ pixels @ first.T)
        first, rest = inverse @ first, torch.einsum('ork,rs->osk', rest, root)
        rest, last = fit_others(target, rest, first, moment, beyond, rank)
    if not outputs_of(target - product(rest, first), seen).trace() < before:
        return kernels
    middle = fold(rest, last).permute(1, 2, 0)  # (r1, K, r2)
    return as_kernels(first.T, middle, last.T, weight.shape[2:], weight)


def shrunk(patch_moment: Tensor, input_moment: Tensor) -> Tensor:
    """The moment of patches, SHRINKAGE of it that of independent pixels."""
    positions = len(patch_moment) // len(input_moment)
    pixels = torch.kron(input_moment, torch.eye(positions).to(input_moment))
    return torch.lerp(patch_moment, pixels, SHRINKAGE)


def product(rest: Tensor, first: Tensor) -> Tensor:
    """(O, I, K) kernel of a chain."""
    return torch.einsum('ork,ri->oik', rest, first)


def fold(rest: Tensor, last: Tensor) -> Tensor:
    """(r2, r1, K) middle core."""
    return torch.tensordot(last, rest, ([0], [0]))


def outputs_of(kernel: Tensor, moment: Tensor) -> Tensor:
    """(O, O) moment of what a kernel (O, I, K) puts out; its trace is the mean square, summed over the outputs."""
    flat = kernel.flatten(1)
    return flat @ moment @ flat.T


def fit_others(
    target: Tensor, rest: Tensor, first: Tensor, moment: Tensor, beyond: Tensor, rank: int
) -> tuple[Tensor, Tensor]:
    """``rest`` and ``last`` that lose least with this first core, of ``rank``: reduced-rank regression.

    Least squares for what the chain does not explain yet, so that the ridge changes nothing where it explains all.

    Args:
        beyond: (O, O) the moment of the outputs less what the drawn patches make of it: more outputs were drawn.
    """
    (ranks, channels), positions = first.shape, rest.shape[2]
    missing = (target - product(rest, first)).flatten(1) @ moment
    missing = torch.einsum('oik,ri->ork', missing.unflatten(1, (channels, positions)), first).flatten(1)
    normal = torch.einsum('ri,ikx->rkx', first, moment.unflatten(0, (channels, positions))).flatten(0, 1)
    normal = torch.einsum('xik,ri->xrk', normal.unflatten(1, (channels, positions)), first).flatten(1)
    normal.diagonal().add_(RIDGE * normal.diagonal().mean() + torch.finfo(normal.dtype).tiny)
    rest = rest + torch.linalg.solve(normal, missing.T).T.unflatten(1, (ranks, positions))
    kernel = product(rest, first)
    predicted, white = outputs_of(kernel, moment), kernel.flatten(1) @ kernel.flatten(1).T
    ridge = RIDGE * predicted.trace() / white.trace().clamp(min=torch.finfo(white.dtype).tiny)
    # white inputs decide where the images say nothing
    last = torch.linalg.eigh(predicted + beyond + ridge * white)[1].flip(1)[:, :rank]
    return torch.einsum('os,srk->ork', last, fold(rest, last)), last


def fit_first(target: Tensor, first: Tensor, middle: Tensor, moment: Tensor) -> Tensor:
    """The first core after STEPS of conjugate gradients on what the output loses.

    Args:
        target: (r2, I, K) of the dense kernel what the last core lets through; middle: (r2, r1, K).
    """

    def descent(difference: Tensor) -> Tensor:
        weighted = (difference.flatten(1) @ moment).view_as(difference)
        return torch.einsum('srk,sik->ri', middle, weighted)

    residual = descent(target - product(middle, first))
    direction, energy = residual, residual.square().sum()
    for _ in range(STEPS):
        curved = descent(product(middle, direction))
        curvature = (direction * curved).sum()
        if not curvature > 0:
            break
        step = energy / curvature
        first, residual = first + step * direction, residual - step * curved
        before, energy = energy, residual.square().sum()
        direction = residual + energy / before * direction
    return first
