"""What the accelerator has to know of one convolution: sizes and number formats, no weights. Ours."""

from dataclasses import dataclass

import numpy as np

from detplug.errors import UserError

from ..hardware.instructions import TABLE_WORDS
from ..hardware.limits import INDEX_BITS, MAX_BIAS, MAX_SHIFT
from ..integers.integer_network import Conv, Format, sum_range
from .layout import blocks


@dataclass(frozen=True)
class Cores:
    """Sizes of a kernel that is rebuilt: ranks and shifts; ``first_rank`` None for a pair."""

    first_rank: int | None
    last_rank: int
    middle_shift: int
    last_shift: int


@dataclass(frozen=True)
class Residual:
    """A map that is added to the results, of their format: the shift and the sign of the sum."""

    shift: int
    signed: bool


@dataclass(frozen=True)
class ConvTask:
    """One convolution of one image.

    Attributes:
        shift: None leaves 32-bit sums; otherwise 0, since every output channel has its shift beside its bias.
        cores: None for a dense kernel in the memory outside.
        look_up: whether a table follows.
        outside: what is around the map, its zero point.
        residual: None where nothing is added.
    """

    name: str
    in_channels: int
    out_channels: int
    in_rows: int
    in_cols: int
    kernel: tuple[int, int]
    stride: int
    padding: int
    signed_in: bool
    signed_out: bool
    shift: int | None
    cores: Cores | None = None
    look_up: bool = False
    outside: int = 0
    residual: Residual | None = None

    @property
    def rows(self) -> int:
        """Of the output."""
        return (self.in_rows + 2 * self.padding - self.kernel[0]) // self.stride + 1

    @property
    def cols(self) -> int:
        """Of the output."""
        return (self.in_cols + 2 * self.padding - self.kernel[1]) // self.stride + 1

    @property
    def macs(self) -> int:
        """Of the dense convolution, rebuilding not counted."""
        return self.rows * self.cols * self.out_channels * self.in_channels * self.kernel[0] * self.kernel[1]

    def tile_rows(self, rows: int) -> int:
        """Most input rows that ``rows`` output rows need."""
        return min((rows - 1) * self.stride + self.kernel[0], self.in_rows)

    def parts(self, n: int) -> dict[str, int]:
        """Words of each part that the memory outside holds."""
        into, out, taps = blocks(self.in_channels, n), blocks(self.out_channels, n), self.kernel[0] * self.kernel[1]
        words = {'input': into * self.in_rows * self.in_cols, 'biases': 4 * out}
        if self.look_up:
            words['table'] = TABLE_WORDS
        if self.cores is None:
            words['weights'] = out * taps * into * n
        else:
            last = blocks(self.cores.last_rank, n)
            first = last if self.cores.first_rank is None else blocks(self.cores.first_rank, n)
            words['first'] = first * into * n
            words['middle'] = 0 if self.cores.first_rank is None else last * taps * first * n
            words['last'] = last * out * n
        if self.residual is not None:
            words['input1'] = out * self.rows * self.cols
        words['output'] = out * self.rows * self.cols * (4 if self.shift is None else 1)
        return words

    def weight_bytes(self, n: int) -> int:
        """Bytes of weights or cores, and biases, that a frame fetches once, filled up to whole blocks."""
        return n * sum(words for name, words in self.parts(n).items() if name not in ('input', 'input1', 'output'))


def entry_bias(op: Conv, source: Format) -> np.ndarray:
    """(O,) int64, what is added to the products of weights and integers of the source, whose zero point they hold."""
    return op.bias.astype(np.int64) - source.zero * op.weight.astype(np.int64).sum((1, 2, 3))


def conv_task(op: Conv, source: Format, in_rows: int, in_cols: int, residual: Residual | None = None) -> ConvTask:
    """The task of ``op`` on a map of ``in_rows`` x ``in_cols`` in format ``source``, to which another map is added.

    Raises:
        UserError: a convolution that the accelerator cannot run.
    """
    shifts = (0, 0) if op.out is None else (int(op.shifts(source).min()), int(op.shifts(source).max()))
    checks = {
        'stride': (op.stride in (1, 2), '1 or 2'),
        'padding': (0 <= op.padding < 16, 'below 16'),
        'kernel': (max(op.weight.shape[2:]) <= 16, 'at most 16'),
        'shift of the result': (0 <= shifts[0] and shifts[1] <= MAX_SHIFT, 'between 0 and 31: choose other scales'),
        'bias': (np.abs(entry_bias(op, source)).max() <= MAX_BIAS, f'at most {MAX_BIAS}: choose other scales'),
        'zero point': (op.out is None or op.out.zero == 0 or op.table is not None, '0 without a table'),
        'bits': (source.bits == 8 and (op.out is None or op.out.bits == 8), '8'),
        'bits of the index': (op.table is None or op.table.format.bits <= INDEX_BITS, f'at most {INDEX_BITS}'),
    }
    low, high = sum_range(op, source)
    checks['sums'] = (
        low >= -(2**31) and high < 2**31,
        f'within 32 bits, not {low} to {high}: choose a smaller weight_frac',
    )
    for what, (fits, allowed) in checks.items():
        if not fits:
            raise UserError(f'{op.name}: {what}: the accelerator cannot run it; it must be {allowed}')
    out, into, *kernel = op.weight.shape
    cores = None
    if op.cores is not None:
        first = None if op.cores.middle is None else op.cores.first.shape[0]
        cores = Cores(first, op.cores.last.shape[1], op.cores.middle_shift, op.cores.last_shift)
    signed_out = op.out is None or op.out.signed
    return ConvTask(
        op.name, into, out, in_rows, in_cols, tuple(kernel), op.stride, op.padding,
        source.signed, signed_out, None if op.out is None else 0, cores, op.table is not None, source.zero, residual,
    )  # fmt: skip
