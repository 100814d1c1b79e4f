"""Addition, largest value and upsampling as instructions: convolutions with the identity as weights. Ours.

A tile of N x N ones on the diagonal hands activations through the array; two maps as two terms are added, the places of
a window as terms with ``largest`` are pooled, and steps of 2 in the result spread pixels.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from detplug.errors import UserError

from ..integer_network import Add, Format, MaxPool, Op, Upsample
from .instructions import Compute, Instruction, Load, Memory, Store
from .layout import blocks
from .sizes import Sizes


@dataclass(frozen=True)
class ElementTask:
    """A map made of maps of the same channels.

    Attributes:
        sources: maps that are added.
        kernel: width of the window whose largest value is taken.
        factor: of the upsampling.
    """

    name: str
    channels: int
    in_rows: int
    in_cols: int
    sources: int = 1
    kernel: int = 1
    factor: int = 1
    shift: int = 0
    signed_in: bool = False
    signed_out: bool = False

    @property
    def macs(self) -> int:
        """None that counts."""
        return 0

    def parts(self, n: int) -> dict[str, int]:
        """Words of each part that the memory outside holds."""
        words = blocks(self.channels, n) * self.in_rows * self.in_cols
        inputs = {f'input{index}': words for index in range(self.sources)}
        return {**inputs, 'weights': n, 'output': words * self.factor**2}


def element_task(op: Op, source: Format, channels: int, rows: int, cols: int) -> ElementTask:
    """The task of an `Add`, `MaxPool` or `Upsample`.

    Raises:
        UserError: a pooling of signed values, around which the accelerator would see zeros.
    """
    fields = dict(signed_in=source.signed, signed_out=source.signed)
    if isinstance(op, Add):
        fields = dict(
            sources=2, shift=source.frac - op.out.frac, signed_in=source.signed, signed_out=op.out.signed
        )  # fmt: skip
        if not 0 <= fields['shift'] <= 31:
            raise UserError(f'{op.name}: shift: {fields["shift"]} is not between 0 and 31; choose other scales')
    elif isinstance(op, MaxPool):
        fields['kernel'] = op.kernel
        if source.signed:
            raise UserError(f'{op.name}: format: signed values cannot be pooled; put a ReLU before it')
    elif isinstance(op, Upsample):
        fields['factor'] = op.factor
    return ElementTask(op.name, channels, rows, cols, **fields)


def identity_words(n: int) -> np.ndarray:
    """(N, N) uint8: the weight tile that hands activations through."""
    return np.eye(n, dtype=np.uint8)


def element_instructions(task: ElementTask, sizes: Sizes, at: Mapping[str, int]) -> Iterator[Instruction]:
    """Group after group of blocks, tile after tile of rows.

    Raises:
        UserError: not even one row of one block fits.
    """
    edge, out = task.kernel // 2, blocks(task.channels, sizes.n)
    group, rows = cut(task, sizes)
    yield Load(Memory.WEIGHTS, 0, words=sizes.n, ddr=at['weights'])
    for first in range(0, out, group):
        for row in range(0, task.in_rows, rows):
            count, tile = min(group, out - first), (row, min(rows, task.in_rows - row))
            window = max(row - edge, 0), min(row + tile[1] + edge, task.in_rows)
            yield from element_tile(task, sizes, at, (first, count), tile, window)


def cut(task: ElementTask, sizes: Sizes) -> tuple[int, int]:
    """(blocks, rows) of the largest tiles that fit: whole maps, or rows of one block."""
    out, area = blocks(task.channels, sizes.n), task.factor**2

    def words(rows: int) -> int:
        window = min(rows + 2 * (task.kernel // 2), task.in_rows)
        return task.in_cols * (task.sources * window + area * rows)

    rows = max((r for r in range(1, task.in_rows + 1) if words(r) <= sizes.activations), default=0)
    if rows == 0 or task.in_cols > sizes.sums:
        raise UserError(f'{task.name}: rows: need {words(1)} words; make the memories of the accelerator larger')
    return max(1, min(out, sizes.activations // words(rows))) if rows == task.in_rows else 1, rows


def element_tile(task: ElementTask, sizes: Sizes, at, group, tile, window) -> Iterator[Instruction]:
    """Blocks ``group`` (first, count), output rows ``tile`` (first, count) of input rows ``window`` (first, end)."""
    (first, count), (row, rows), cols, factor = group, tile, task.in_cols, task.factor
    plane, held = task.in_rows * cols, (window[1] - window[0]) * cols
    for index in range(task.sources):
        ddr = at[f'input{index}'] + first * plane + window[0] * cols
        yield Load(Memory.ACTIVATIONS, index * count * held, held, held, count, ddr, plane)
    result, made = task.sources * count * held, rows * cols * factor**2
    chunk = sizes.sums // cols
    for begin in range(row, row + rows, chunk):
        for down in range(factor):
            for right in range(factor):
                to = result + ((begin - row) * factor + down) * cols * factor + right
                now = min(chunk, row + rows - begin)
                yield element_compute(task, sizes, (window, begin, now), count, dict(result=to, result_block=made))
    ddr = at['output'] + (first * plane + row * cols) * factor**2
    yield Store(Memory.ACTIVATIONS, result, made, made, count, ddr, plane * factor**2)


def element_compute(task: ElementTask, sizes: Sizes, chunk, count: int, to: dict) -> Compute:
    """``chunk``: (window, first output row, number of rows)."""
    (begin, end), row, rows = chunk
    held, wanted = (end - begin) * task.in_cols, row - task.kernel // 2
    top = max(wanted, 0)
    return Compute(
        source=(wanted - begin) * task.in_cols - task.kernel // 2, source_block=held, source_plane=count * held,
        source_row=task.in_cols, in_rows=end - top, in_cols=task.in_cols, top=top - wanted, left=task.kernel // 2,
        kernel_rows=task.kernel, kernel_cols=task.kernel, in_blocks=task.sources,
        terms=task.kernel**2 * task.sources, rows=rows, cols=task.in_cols, blocks=count,
        shift=task.shift, signed_in=int(task.signed_in), signed_out=int(task.signed_out),
        largest=int(task.kernel > 1), result_row=task.in_cols * task.factor**2, result_col=task.factor, **to,
    )  # fmt: skip
