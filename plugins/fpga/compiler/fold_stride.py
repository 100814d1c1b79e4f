"""A stride-2 convolution of few channels as a stride-1 convolution of four times as many: the same sums. Ours.

The stem, 6x6 with stride 2 on 3 channels, would use 3 of N lanes in 36 passes; folded, it is 3x3 on 12 channels. Only
for the input of the network, whose layout the host chooses.
"""

from dataclasses import replace

import numpy as np

from ..integers.integer_network import Conv


def can_fold(op: Conv, rows: int, cols: int) -> bool:
    """Whether kernel, padding and map are cut into pairs."""
    return op.stride == 2 and not any(size % 2 for size in (*op.weight.shape[2:], op.padding, rows, cols))


def fold_map(x: np.ndarray) -> np.ndarray:
    """(C, 2 H, 2 W) -> (4 C, H, W): the pixels of each 2x2 square become channels."""
    channels, rows, cols = x.shape
    squares = x.reshape(channels, rows // 2, 2, cols // 2, 2)
    return squares.transpose(2, 4, 0, 1, 3).reshape(4 * channels, rows // 2, cols // 2)


def fold_conv(op: Conv) -> Conv:
    """The convolution that makes of `fold_map` of a map what ``op`` makes of the map; dense."""
    weight = np.stack([fold_map(kernel) for kernel in op.weight])
    return replace(op, weight=weight, stride=1, padding=op.padding // 2, cores=None)
