"""Rounding of kernels so that the outputs, not the weights, change least.

Weights are rounded one column after another; what a column loses is made up for by those that follow, as far as the
inputs are correlated: GPTQ (Frantar et al., arXiv 2210.17323). That it runs through a whole network of rounded maps,
and the sampling of pixels, are ours. Images are mostly bright and even: to the nearest, small sums of large weights
lose far more than the weights do.

O output channels, K inputs of one sum (channels times kernel taps), P pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .fixed_point import shifted, to_integers

PIXELS = 16384  # of all images, that the correlation of inputs is taken from
LARGEST = 4608  # inputs of one sum; 512 channels of 3x3. A matrix of more squared takes too long
DAMPING = 0.01  # of the mean variance, the paper's


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


def input_correlation(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """(K, K) float64 of the inputs (N, I, H, W) of a convolution, at evenly spaced pixels of every image."""
    each = max(PIXELS // len(x), 1)
    total, pixels = 0, 0
    for image in x:
        columns = F.unfold(image[None], conv.kernel_size, padding=conv.padding, stride=conv.stride)[0].double()
        columns = columns[:, :: max(columns.shape[1] // each, 1)]
        total, pixels = total + columns @ columns.T, pixels + columns.shape[1]
    return total / pixels


@torch.no_grad()
def round_kernel(conv: nn.Conv2d, x: Tensor, frac: int | Tensor) -> None:
    """Round the kernel of ``conv`` for its inputs (N, I, H, W), in place; a very large one stays as it is."""
    if conv.weight[0].numel() <= LARGEST:
        rounded = round_with_feedback(conv.weight.flatten(1), input_correlation(conv, x), frac)
        conv.weight.copy_(rounded.view_as(conv.weight))
