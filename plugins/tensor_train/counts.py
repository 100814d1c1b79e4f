"""Parameters and multiply-accumulates of a convolution and of its chain; biases count in neither.

O output channels, I input channels; ranks (r,) of a 1x1 kernel, (r1, r2) of any other.
"""

from collections.abc import Sequence
from math import prod

from detplug.compression.costs import ConvShape

Size = Sequence[int]


def dense_params(out_channels: int, in_channels: int, kernel_size: Size) -> int:
    """O I kh kw."""
    return out_channels * in_channels * prod(kernel_size)


def dense_macs(out_channels: int, in_channels: int, kernel_size: Size, in_hw: Size, out_hw: Size) -> int:
    """Of one image: a kernel at every position of the output; the input's size has no part in it."""
    return dense_params(out_channels, in_channels, kernel_size) * prod(out_hw)


def chain_params(out_channels: int, in_channels: int, kernel_size: Size, ranks: Sequence[int]) -> int:
    """I r + r O of a pair, I r1 + kh kw r1 r2 + r2 O of a chain of three."""
    first, last = in_channels * ranks[0], ranks[-1] * out_channels
    middle = prod(kernel_size) * ranks[0] * ranks[1] if prod(kernel_size) > 1 else 0
    return first + middle + last


def chain_shapes(
    out_channels: int,
    in_channels: int,
    kernel_size: Size,
    stride: Size,
    ranks: Sequence[int],
    in_hw: Size,
    out_hw: Size,
) -> list[ConvShape]:
    """The convolutions of a chain in one call: the first 1x1 runs before the stride; of a pair the first takes it."""
    point, step, last = (1, 1), tuple(stride), ranks[-1]
    if prod(kernel_size) == 1:
        first = [ConvShape(in_channels, last, point, step, in_hw, out_hw)]
    else:
        first = [
            ConvShape(in_channels, ranks[0], point, point, in_hw, in_hw),
            ConvShape(ranks[0], last, tuple(kernel_size), step, in_hw, out_hw),
        ]
    return [*first, ConvShape(last, out_channels, point, point, out_hw, out_hw)]
