"""A stride-2 convolution of few channels as a stride-1 convolution of four times as many: the same sums. Ours.

The stem, 6x6 with stride 2 on 3 channels, would use 3 of N lanes in 36 passes; folded, it is 3x3 on 12 channels. Only
for the input of the network, whose layout the host chooses. Where the stem is a Tensor-Train chain, its first core, 1x1
on 3 channels, is folded too and makes the folded map that the next core reads.
"""

from dataclasses import replace

import numpy as np

from ..integers.integer_network import Conv, IntegerNetwork

FOUR = np.eye(4, dtype=np.int8)  # the pixels of a square


def can_fold(op: Conv, rows: int, cols: int) -> bool:
    """Whether kernel, padding and map are cut into pairs."""
    return op.stride == 2 and not any(size % 2 for size in (*op.weight.shape[2:], op.padding, rows, cols))


def fold_map(x: np.ndarray) -> np.ndarray:
    """(C, 2 H, 2 W) -> (4 C, H, W): the pixels of each 2x2 square become channels."""
    channels, rows, cols = x.shape
    squares = x.reshape(channels, rows // 2, 2, cols // 2, 2)
    return squares.transpose(2, 4, 0, 1, 3).reshape(4 * channels, rows // 2, cols // 2)


def unfold_map(x: np.ndarray) -> np.ndarray:
    """(4 C, H, W) -> (C, 2 H, 2 W), what `fold_map` has folded."""
    channels, rows, cols = x.shape
    squares = x.reshape(2, 2, channels // 4, rows, cols)
    return squares.transpose(2, 3, 0, 4, 1).reshape(channels // 4, 2 * rows, 2 * cols)


def fold_conv(op: Conv) -> Conv:
    """The convolution that makes of `fold_map` of a map what ``op`` makes of the map."""
    cores = op.cores
    if cores is not None:
        cores = replace(cores, first=np.kron(FOUR, cores.first), middle=fold_kernel(cores.middle))
    return replace(op, weight=fold_kernel(op.weight), stride=1, padding=op.padding // 2, cores=cores)


def fold_kernel(weight: np.ndarray) -> np.ndarray:
    """(O, I, kh, kw) -> (O, 4 I, kh / 2, kw / 2)."""
    return np.stack([fold_map(kernel) for kernel in weight])


def fold_point(op: Conv) -> Conv:
    """The 1x1 convolution that makes the folded result of ``op`` of a folded map, the same for each of four pixels."""
    weight = np.kron(FOUR, op.weight[:, :, 0, 0])[:, :, None, None]
    frac = np.tile(op.weight_frac, 4) if np.ndim(op.weight_frac) else op.weight_frac
    return replace(op, weight=weight, weight_frac=frac, bias=np.tile(op.bias, 4), cores=None)


def fold_stem(network: IntegerNetwork) -> tuple[IntegerNetwork, frozenset[str]]:
    """The network with its stem folded, and the names of the maps that are; as it is where that cannot be.

    A stem is the one convolution that reads the input, or a 1x1 convolution and the one that alone reads it.
    """
    channels, rows, cols = network.input_shape
    name, folded, stem = network.input, [], {}
    for _ in range(2):
        readers = [op for op in network.ops if name in op.sources]
        if len(readers) != 1 or not isinstance(readers[0], Conv) or name in network.outputs:
            break
        (op,) = readers
        folded.append(name)
        if can_fold(op, rows, cols):
            stem[op.name] = fold_conv(op)
            ops = tuple(stem.get(op.name, op) for op in network.ops)
            shape = 4 * channels, rows // 2, cols // 2
            return replace(network, input_shape=shape, ops=ops), frozenset(folded)
        if op.weight.shape[2:] != (1, 1) or op.stride != 1 or op.padding:
            break
        stem[op.name], name = fold_point(op), op.name
    return network, frozenset()
