"""Maps, weights and cores as words of N bytes, as the accelerator reads them. Ours.

C channels, O output channels, I input channels, r1 and r2 ranks; a block is N channels, the last one filled with zeros.
All functions return uint8 with N as the last axis; flattened over the axes before, they are words.
"""

import numpy as np

from ..hardware.limits import BIAS_BITS, INDEX_BITS
from ..integers.number_format import Table
from ..integers.tt_kernel import TTKernel


def blocks(channels: int, n: int) -> int:
    """Blocks of N channels that hold ``channels``."""
    return -(-channels // n)


def map_words(x: np.ndarray, n: int) -> np.ndarray:
    """Integers (C, H, W), signed or not, -> (blocks, H, W, N)."""
    return lanes_last(x, 0, n)


def map_of_words(words: np.ndarray, channels: int, signed: bool) -> np.ndarray:
    """(blocks, H, W, N) of 8 bits -> (C, H, W) int64."""
    values = words.view(np.int8 if signed else np.uint8).astype(np.int64)
    return values.transpose(0, 3, 1, 2).reshape(-1, *words.shape[1:3])[:channels]


def weight_words(weight: np.ndarray, n: int) -> np.ndarray:
    """(O, I, kh, kw) -> (O blocks, kh, kw, I blocks, N output channels, N)."""
    rows = lanes_last(weight, 1, n)  # (I blocks, O, kh, kw, N)
    rows = lanes_last(rows, 1, n)  # (O blocks, I blocks, kh, kw, N input, N output)
    return rows.transpose(0, 2, 3, 1, 5, 4)


def first_words(first: np.ndarray, n: int) -> np.ndarray:
    """(r1, I) -> (r1 blocks, I filled up, N)."""
    words = lanes_last(first, 0, n)
    return np.pad(words, ((0, 0), (0, -first.shape[1] % n), (0, 0)))


def middle_words(middle: np.ndarray, n: int) -> np.ndarray:
    """(r2, r1, kh, kw) -> (r2 blocks, kh, kw, r1 blocks, N of r2, N)."""
    return weight_words(middle, n)


def last_words(last: np.ndarray, n: int) -> np.ndarray:
    """(O, r2) -> (r2 blocks, O filled up, N)."""
    return first_words(last.T, n)


def core_words(cores: TTKernel, n: int) -> list[np.ndarray]:
    """First, middle (nothing for a pair) and last core."""
    middle = np.zeros((0, n), np.uint8) if cores.middle is None else middle_words(cores.middle, n)
    return [first_words(cores.first, n), middle, last_words(cores.last, n)]


def bias_words(bias: np.ndarray, shifts: np.ndarray, n: int) -> np.ndarray:
    """(O,) biases of BIAS_BITS bits and (O,) shifts above them -> (O blocks, 4, N)."""
    entries = (bias.astype(np.int64) & ((1 << BIAS_BITS) - 1)) | (shifts.astype(np.int64) << BIAS_BITS)
    filled = np.pad(entries.astype('<u4'), (0, -len(bias) % n))
    return filled.view(np.uint8).reshape(-1, 4, n)


def table_words(table: Table, n: int) -> np.ndarray:
    """(2 ** INDEX_BITS, N): the result of every index, the same for all lanes; at 0 that of the integer 0.

    A table of fewer bits goes on with its outermost results, as its index would be clipped.
    """
    half = 1 << (INDEX_BITS - 1)
    index = np.roll(np.arange(-half, half), half).clip(table.format.low, table.format.high)
    values = table.values[index - table.format.low].astype(np.int64) & 255
    return np.repeat(values.astype(np.uint8)[:, None], n, axis=1)


def sums_of_words(words: np.ndarray, channels: int) -> np.ndarray:
    """(blocks, H, W, 4, N) -> (C, H, W) int64, of 32-bit sums."""
    values = np.ascontiguousarray(words).reshape(*words.shape[:3], -1).view('<i4').astype(np.int64)
    return values.transpose(0, 3, 1, 2).reshape(-1, *words.shape[1:3])[:channels]


def lanes_last(x: np.ndarray, axis: int, n: int) -> np.ndarray:
    """Axis ``axis`` of bytes cut into blocks (new first axis) and lanes (new last axis)."""
    moved = np.moveaxis(x, axis, 0)
    moved = np.pad(moved, ((0, -len(moved) % n), *((0, 0),) * (x.ndim - 1)))
    bytes_ = (moved.astype(np.int64) & 255).astype(np.uint8)
    return np.moveaxis(bytes_.reshape(-1, n, *moved.shape[1:]), 1, -1)
