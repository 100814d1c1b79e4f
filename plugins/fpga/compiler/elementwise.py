"""Addition, largest value and upsampling as instructions: convolutions with the identity as weights. Ours.

A tile of N x N ones on the diagonal hands activations through the array; two maps as two terms are added, the places of
a window as terms with ``largest`` are pooled, and steps of 2 in the result spread pixels.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from detplug.errors import UserError

from ..hardware.instructions import Compute, Instruction, Load, Memory, Store
from ..hardware.sizes import Sizes
from ..integers.integer_network import Add, Format, MaxPool, Op, Upsample
from .layout import blocks
from .span import Span


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
        UserError: a sum that would have to be multiplied.
    """
    fields = dict(signed_in=source.signed, signed_out=source.signed)
    if isinstance(op, Add):
        fields = dict(
            sources=2, shift=source.frac - op.out.frac, signed_in=source.signed, signed_out=op.out.signed
        )  # fmt: skip
        if source.zero or op.out.zero:
            raise UserError(f'{op.name}: zero point: {source.zero}; maps that are added must have none')
        if not 0 <= fields['shift'] <= 31:
            raise UserError(f'{op.name}: shift: {fields["shift"]} is not between 0 and 31; choose other scales')
    elif isinstance(op, MaxPool):
        fields['kernel'] = op.kernel
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
    group_size, tile_rows = cut(task, sizes)
    yield Load(Memory.WEIGHTS, 0, words=sizes.n, ddr=at['weights'])
    for group in Span(0, blocks(task.channels, sizes.n)).cut(group_size):
        for tile in Span(0, task.in_rows).cut(tile_rows):
            yield from element_tile(task, sizes, at, group, tile)


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


def element_tile(
    task: ElementTask, sizes: Sizes, at: Mapping[str, int], group: Span, tile: Span
) -> Iterator[Instruction]:
    """The input rows ``tile`` of the blocks ``group``: their windows loaded, their results computed and stored."""
    cols, factor, edge = task.in_cols, task.factor, task.kernel // 2
    first = max(tile.first - edge, 0)
    window = Span(first, min(tile.end + edge, task.in_rows) - first)
    in_plane, tile_plane = task.in_rows * cols, window.count * cols
    for index in range(task.sources):
        ddr = at[f'input{index}'] + group.first * in_plane + window.first * cols
        yield Load(
            Memory.ACTIVATIONS, index * group.count * tile_plane, tile_plane, tile_plane, group.count, ddr, in_plane
        )
    result, result_plane = task.sources * group.count * tile_plane, tile.count * cols * factor**2
    for chunk in tile.cut(sizes.sums // cols):
        for down in range(factor):
            for right in range(factor):
                to = result + ((chunk.first - tile.first) * factor + down) * cols * factor + right
                yield element_compute(task, window, chunk, group.count, result=to, result_block=result_plane)
    ddr = at['output'] + (group.first * in_plane + tile.first * cols) * factor**2
    yield Store(Memory.ACTIVATIONS, result, result_plane, result_plane, group.count, ddr, in_plane * factor**2)


def element_compute(task: ElementTask, window: Span, chunk: Span, count: int, **fields) -> Compute:
    """The rows ``chunk`` of ``count`` blocks, of which the rows ``window`` are on the chip."""
    edge, begin = task.kernel // 2, chunk.first - task.kernel // 2
    top, tile_plane = max(begin, 0), window.count * task.in_cols
    return Compute(
        source=(begin - window.first) * task.in_cols - edge, source_block=tile_plane, source_plane=count * tile_plane,
        source_row=task.in_cols, in_rows=window.end - top, in_cols=task.in_cols, top=top - begin, left=edge,
        kernel_rows=task.kernel, kernel_cols=task.kernel, in_blocks=task.sources,
        terms=task.kernel**2 * task.sources, rows=chunk.count, cols=task.in_cols, blocks=count,
        shift=task.shift, signed_in=int(task.signed_in), signed_out=int(task.signed_out),
        largest=int(task.kernel > 1), outside=128 if task.signed_in else 0,  # the smallest is never the largest
        result_row=task.in_cols * task.factor**2, result_col=task.factor, **fields,
    )  # fmt: skip
