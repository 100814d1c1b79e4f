"""Rounding of kernels so that the outputs, not the weights, change least.

A kernel reads maps that are rounded already. It is moved first, towards what makes of them the sums that the float
kernel makes of the float maps: the target of GPTAQ (Li et al., arXiv 2504.02692), here by ridge regression. Then its
weights are rounded one column after another; what a column loses is made up for by those that follow, as far as the
inputs are correlated: GPTQ (Frantar et al., arXiv 2210.17323). That both run through a whole network of rounded maps,
and the sampling of pixels, are ours. Images are mostly bright and even: to the nearest, small sums of large weights
lose far more than the weights do.

O output channels, K inputs of one sum (channels times kernel taps), P pixels.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .fixed_point import shifted, to_integers

PIXELS = 16384  # of all images, that the correlation of inputs is taken from
LARGEST = 4608  # inputs of one sum; 512 channels of 3x3. A matrix of more squared takes too long
DAMPING = 0.01  # of the mean variance, GPTQ's
RIDGE = 1.0  # of the mean variance; benchmarks/fpga_calibration.py compares it with .01


def round_with_feedback(weight: Tensor, correlation: Tensor, frac: int | Tensor) -> Tensor:
    """Weights (O, K) on the grid of int8 with ``frac`` that change weight @ input little.

    Args:
        correlation: (K, K) float64, mean of input times input transposed.
        frac: one, or (O,) int32 of each output channel.

    Returns:
        (O, K) in the type of ``weight``.
    """
    size = len(correlation)
    variance = correlation.diagonal().mean()
    damped = correlation + torch.eye(size).to(correlation) * (DAMPING * variance if variance > 0 else 1)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    follow = torch.linalg.cholesky(inverse, upper=True)
    left, rounded = weight.to(correlation).clone(), torch.empty_like(weight, dtype=correlation.dtype)
    for column in range(size):  # each needs what the one before has left
        rounded[:, column] = shifted(to_integers(left[:, column], frac), -frac)
        lost = (left[:, column] - rounded[:, column]) / follow[column, column]
        left[:, column:] -= lost[:, None] * follow[column, column:]
    return rounded.to(weight)


def moved(weight: Tensor, correlation: Tensor, cross: Tensor) -> Tensor:
    """Weights (O, K) whose sums over the inputs come near those of ``weight`` over the exact inputs, but stay near it.

    Args:
        correlation: (K, K) float64, mean of input times input transposed.
        cross: (K, K) float64, mean of exact input times input transposed.

    Returns:
        (O, K) float64.
    """
    variance = correlation.diagonal().mean()
    ridge = torch.eye(len(correlation)).to(correlation) * (RIDGE * variance if variance > 0 else 1)
    return torch.linalg.solve(correlation + ridge, (cross + ridge).T @ weight.to(correlation).T).T


def sampled_inputs(conv: nn.Conv2d, x: Tensor) -> Iterator[Tensor]:
    """Of each image of (N, I, H, W) what a convolution sums up, (K, P) float64, at evenly spaced pixels."""
    each = max(PIXELS // len(x), 1)
    for image in x:
        columns = F.unfold(image[None], conv.kernel_size, padding=conv.padding, stride=conv.stride)[0].double()
        yield columns[:, :: max(columns.shape[1] // each, 1)]


def correlations(conv: nn.Conv2d, x: Tensor, exact: Tensor) -> tuple[Tensor, Tensor]:
    """``correlation`` and ``cross`` of :func:`moved`; inputs of a convolution and exact ones are (N, I, H, W)."""
    correlation = cross = torch.zeros(())
    pixels = 0
    for columns, others in zip(sampled_inputs(conv, x), sampled_inputs(conv, exact), strict=True):
        correlation, cross = correlation + columns @ columns.T, cross + others @ columns.T
        pixels += columns.shape[1]
    return correlation / pixels, cross / pixels


@torch.no_grad()
def round_kernel(conv: nn.Conv2d, x: Tensor, exact: Tensor, frac: int | Tensor) -> None:
    """Round the kernel of ``conv`` for its inputs (N, I, H, W), in place; a very large one stays as it is.

    Args:
        exact: the inputs in float.
    """
    if conv.weight[0].numel() <= LARGEST:
        correlation, cross = correlations(conv, x, exact)
        rounded = round_with_feedback(moved(conv.weight.flatten(1), correlation, cross), correlation, frac)
        conv.weight.copy_(rounded.view_as(conv.weight))
