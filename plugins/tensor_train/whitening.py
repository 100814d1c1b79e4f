"""Activation-aware Tensor-Train form: cut what matters least for the layer's real inputs, not for its kernel.

Trained kernels are barely of low rank, their inputs and outputs are. Whitening of the input and principal components of
the output are the recipe of the project's measurements (not the papers'); for 1x1 layers it is the optimum.

A moment is the mean of x x^T over images and positions, uncentred: ``input_moment`` (I, I) of the layer's input,
``output_moment`` (O, O) of its output without bias.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .decomposition import Kernels, as_kernels, check_ranks

RIDGE = 1e-6  # of the mean eigenvalue: directions that no image had keep a little weight


def roots(moment: Tensor) -> tuple[Tensor, Tensor]:
    """Square root of a moment and its inverse, symmetric, float64; a moment of zeros counts as the identity."""
    values, vectors = torch.linalg.eigh(moment.double())
    scale = values.clamp(min=0).mean()
    values = values.clamp(min=0) + RIDGE * scale if scale > 0 else torch.ones_like(values)
    root = values.sqrt()
    return (vectors * root) @ vectors.T, (vectors / root) @ vectors.T


def output_directions(weight: Tensor, output_moment: Tensor) -> Tensor:
    """Principal components of the output, largest first, among the directions that the kernel can reach.

    Where the images say nothing (dead channels, few images) white inputs decide, so that full rank is the kernel
    itself whatever the moment.

    Returns:
        (O, R) orthonormal, float64, R = min(O, I kh kw).
    """
    reach, strength, _ = torch.linalg.svd(weight.double().flatten(1), full_matrices=False)
    seen = reach.T @ output_moment.double() @ reach
    white = strength.square()
    white = torch.diag(white / white.sum().clamp(min=torch.finfo(white.dtype).tiny))
    energy = seen.trace()
    return reach @ torch.linalg.eigh(seen + (RIDGE * energy if energy > 0 else 1) * white)[1].flip(1)


class WhitenedKernel(NamedTuple):
    """A kernel in the directions of its images, most important first; a chain of any ranks is cut out of it.

    ``first`` (I, R) and ``rest`` (R, kh kw, O), whose product it is; ``last`` (O, R2), orthonormal, None of 1x1.
    """

    weight: Tensor
    first: Tensor
    rest: Tensor
    last: Tensor | None

    def chain(self, ranks: Sequence[int]) -> Kernels:
        """Kernels of the chain, shapes as in :func:`chain_from_kernel`; full ranks give the kernel itself.

        Raises:
            ValueError: not as many ranks as bonds, or one below 1 or above the full rank.
        """
        check_ranks(self.weight, ranks)
        first, rest = self.first[:, : ranks[0]], self.rest[: ranks[0]]
        if self.last is None:
            return tuple(x.to(self.weight)[..., None, None] for x in (first.T, rest[:, 0].T))
        last = self.last[:, : ranks[1]]
        return as_kernels(first, rest @ last, last.T, self.weight.shape[2:], self.weight)


def whitened_kernel(weight: Tensor, input_moment: Tensor, output_moment: Tensor) -> WhitenedKernel:
    """The kernel in the directions of the whitened input and the principal components of the output."""
    out, into, kh, kw = weight.shape
    root, inverse = roots(input_moment)
    tensor = weight.double().reshape(out, into, kh * kw).permute(1, 2, 0)  # (I, kh kw, O)
    left, _, _ = torch.linalg.svd(root @ tensor.flatten(1), full_matrices=False)
    rest = ((left.T @ root) @ tensor.flatten(1)).unflatten(1, tensor.shape[1:])
    last = None if kh * kw == 1 else output_directions(weight, output_moment)
    return WhitenedKernel(weight, inverse @ left, rest, last)  # first: x -> coordinates of the whitened input


def chain_from_kernel_and_moments(
    weight: Tensor, ranks: Sequence[int], input_moment: Tensor, output_moment: Tensor
) -> Kernels:
    """Kernels of one chain of a :func:`whitened_kernel`.

    Raises:
        ValueError: not as many ranks as bonds, or one below 1 or above the full rank.
    """
    check_ranks(weight, ranks)
    return whitened_kernel(weight, input_moment, output_moment).chain(ranks)


def activation_spectrum(weight: Tensor, input_moment: Tensor, output_moment: Tensor) -> tuple[Tensor, ...]:
    """Of each bond: root of the mean square that is lost with each direction, descending, as many as the full rank.

    At the first bond it is what the output loses where neighbouring inputs are independent; at the second it is exact.
    """
    out, into, kh, kw = weight.shape
    root, _ = roots(input_moment)
    tensor = weight.double().reshape(out, into, kh * kw).permute(1, 2, 0)
    first = torch.linalg.svdvals(root @ tensor.flatten(1))
    if kh * kw == 1:
        return (first,)
    values = torch.linalg.eigvalsh(output_moment.double()).flip(0).clamp(min=0).sqrt()
    return first, values[: min(out, into * kh * kw)]
