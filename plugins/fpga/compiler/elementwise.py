"""Addition, largest value and upsampling as instructions: convolutions with the identity as weights. Ours.

A tile of N x N ones on the diagonal hands activations through the array; two maps as two terms are added, the places of
a window as terms with ``largest`` are pooled, and stores that write each word twice double a map.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detplug.errors import UserError

from ..hardware.instructions import Compute, Instruction, Load, Memory, Store
from ..hardware.sizes import Sizes
from ..integers.integer_network import Add, Format, MaxPool, Op, Upsample
from .chip import Chip
from .layout import blocks
from .plan import SHARE, TILES
from .span import Span
from .task import MAX_SHIFT, Residual


@dataclass(frozen=True)
class ElementTask:
    """A map made of maps of the same channels.

    Attributes:
        sources: maps that are added.
        kernel: rows and columns of the window whose largest value is taken.
        stride: of that window.
        edges: rows and columns around the map.
        factor: of the upsampling: 1 or 2.
    """

    name: str
    channels: int
    in_rows: int
    in_cols: int
    sources: int = 1
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    edges: tuple[int, int] = (0, 0)
    factor: int = 1
    shift: int = 0
    signed_in: bool = False
    signed_out: bool = False

    @property
    def rows(self) -> int:
        """Of the output of a window, before the upsampling."""
        return (self.in_rows + 2 * self.edges[0] - self.kernel[0]) // self.stride + 1

    @property
    def cols(self) -> int:
        """Of the same."""
        return (self.in_cols + 2 * self.edges[1] - self.kernel[1]) // self.stride + 1

    @property
    def macs(self) -> int:
        """None that counts."""
        return 0

    def parts(self, n: int) -> dict[str, int]:
        """Words of each part that the memory outside holds."""
        count = blocks(self.channels, n)
        inputs = {f'input{index}': count * self.in_rows * self.in_cols for index in range(self.sources)}
        return {**inputs, 'weights': n, 'output': count * self.rows * self.cols * self.factor**2}


def element_tasks(op: Op, sources: Sequence[Format], channels: int, rows: int, cols: int) -> tuple[ElementTask, ...]:
    """The tasks of an `Add`, `MaxPool` or `Upsample`, each of which reads what the one before made.

    The largest value of a square is the largest of its rows' largest: two passes of k instead of one of k * k, where
    the window moves by one pixel.

    Raises:
        UserError: a sum that would have to be multiplied, an upsampling by another factor than 2.
    """
    size, source = (op.name, channels, rows, cols), sources[0]
    signs = dict(signed_in=source.signed, signed_out=source.signed)
    if isinstance(op, Add):
        residual = residual_of(op, sources)
        return (ElementTask(*size, 2, shift=residual.shift, signed_in=source.signed, signed_out=residual.signed),)
    if isinstance(op, MaxPool) and op.stride > 1:
        window = dict(kernel=(op.kernel, op.kernel), stride=op.stride, edges=(op.edge, op.edge))
        return (ElementTask(*size, **window, **signs),)
    if isinstance(op, MaxPool):
        lines = (((1, op.kernel), (0, op.edge)), ((op.kernel, 1), (op.edge, 0)))
        return tuple(ElementTask(*size, kernel=kernel, edges=edges, **signs) for kernel, edges in lines)
    if isinstance(op, Upsample) and op.factor != 2:
        raise UserError(f'{op.name}: factor: {op.factor}: the accelerator cannot run it; it must be 2')
    return (ElementTask(*size, factor=getattr(op, 'factor', 1), **signs),)


def residual_of(op: Add, sources: Sequence[Format]) -> Residual:
    """Shift and sign of an addition of maps of two formats.

    Raises:
        UserError: a finer result than the sum, or another zero point than the sum of both.
    """
    shift = sources[0].frac - op.out.frac
    if not 0 <= shift <= MAX_SHIFT:
        raise UserError(f'{op.name}: shift: {shift} is not between 0 and {MAX_SHIFT}; choose other scales')
    zero = sum(form.zero for form in sources) / (1 << shift)
    if zero != op.out.zero:
        raise UserError(f'{op.name}: zero point: {op.out.zero}; must be {zero:g}, that of the maps that are added')
    return Residual(shift, op.out.signed)


def identity_words(n: int) -> np.ndarray:
    """(N, N) uint8: the weight tile that hands activations through."""
    return np.eye(n, dtype=np.uint8)


def element_instructions(task: ElementTask, chip: Chip, at: Mapping[str, int]) -> Iterator[Instruction]:
    """Group after group of blocks, tile after tile of rows.

    Raises:
        UserError: not even one row of one block fits.
    """
    n = chip.sizes.n
    group_size, tile_rows = cut(task, chip.sizes)
    weights = chip.take(Memory.WEIGHTS, n)
    yield Load(memory=Memory.WEIGHTS, start=weights, words=n, ddr=at['weights'])
    for group in Span(0, blocks(task.channels, n)).cut(group_size):
        for tile in Span(0, task.rows).cut(tile_rows):
            window = tile.read_by(task.stride, task.edges[0], task.kernel[0], task.in_rows)
            source = chip.take(Memory.ACTIVATIONS, task.sources * group.count * window.count * task.in_cols)
            yield from load_windows(task, at, group, window, source)
            yield from element_tile(task, chip, at, (group, tile, window), (source, weights))


def cut(task: ElementTask, sizes: Sizes) -> tuple[int, int]:
    """(blocks, rows) of a tile: rows of all blocks, but where a window reaches over rows whole maps; or rows of one."""
    out, most = blocks(task.channels, sizes.n), -(-task.rows // TILES)

    def needs(count: int, rows: int) -> tuple[int, int]:
        """Words of activations and of results."""
        window = min((rows - 1) * task.stride + task.kernel[0], task.in_rows)
        return count * task.in_cols * task.sources * window, count * task.cols * rows

    def fits(count: int, rows: int, parts: int) -> bool:
        words = needs(count, rows)
        return words[0] <= sizes.activations // parts and words[1] <= sizes.results // parts

    if not fits(1, 1, 1) or task.cols > sizes.sums:
        words = needs(1, 1)[0]
        raise UserError(f'{task.name}: rows: need {words} words; make the memories of the accelerator larger')
    rows = max((rows for rows in range(1, most + 1) if fits(out, rows, SHARE)), default=0)
    if rows and task.kernel[0] == 1:
        return out, rows
    whole = max((count for count in range(1, -(-out // TILES) + 1) if fits(count, task.rows, SHARE)), default=0)
    if whole:
        return whole, task.rows
    return 1, max((rows for rows in range(1, most + 1) if fits(1, rows, SHARE)), default=1)


def load_windows(
    task: ElementTask, at: Mapping[str, int], group: Span, window: Span, source: int
) -> Iterator[Instruction]:
    """The rows ``window`` of the blocks ``group`` of all sources, from word ``source`` on."""
    cols, plane = task.in_cols, task.in_rows * task.in_cols
    words = window.count * cols
    for index in range(task.sources):
        start, ddr = (
            source + index * group.count * words,
            at[f'input{index}'] + group.first * plane + window.first * cols,
        )
        yield Load(
            memory=Memory.ACTIVATIONS, start=start, step=words, words=words, runs=group.count, ddr=ddr, ddr_step=plane
        )  # fmt: skip


def element_tile(
    task: ElementTask, chip: Chip, at: Mapping[str, int], spans: tuple[Span, Span, Span], addresses: tuple[int, int]
) -> Iterator[Instruction]:
    """A tile whose input is on the chip, computed and stored.

    Args:
        spans: blocks, rows of the tile, rows of the input that are on the chip.
        addresses: first words of these and of the weights.
    """
    (group, tile, window), cols = spans, task.cols
    words, plane = tile.count * cols, task.rows * cols
    result = chip.take(Memory.RESULTS, group.count * words)
    for chunk in tile.cut(chip.sizes.sums // cols):
        to = result + (chunk.first - tile.first) * cols
        yield element_compute(
            task, (chunk, window), group.count, addresses, result=to, result_block=words, bank=chip.bank()
        )
    if task.factor == 1:
        ddr = at['output'] + group.first * plane + tile.first * cols
        run = dict(step=words, words=words, runs=group.count)
        yield Store(memory=Memory.RESULTS, start=result, ddr=ddr, ddr_step=plane, **run)
        return
    for block in range(group.count):
        ddr = at['output'] + 4 * ((group.first + block) * plane + tile.first * cols)
        run = dict(start=result + block * words, step=cols, words=cols, runs=tile.count, ddr_step=4 * cols, twice=1)
        for below in range(2):
            yield Store(memory=Memory.RESULTS, ddr=ddr + below * 2 * cols, **run)


def element_compute(
    task: ElementTask, rows: tuple[Span, Span], count: int, addresses: tuple[int, int], **fields
) -> Compute:
    """The first of ``rows`` of ``count`` blocks; the second are on the chip, with the weights at ``addresses``."""
    (chunk, window), (source, weights) = rows, addresses
    begin = chunk.first * task.stride - task.edges[0]
    top, tile_plane = max(begin, 0), window.count * task.in_cols
    return Compute(
        source=source + (begin - window.first) * task.in_cols - task.edges[1], source_block=tile_plane,
        source_plane=count * tile_plane, source_row=task.in_cols, stride=task.stride, in_rows=window.end - top,
        in_cols=task.in_cols, top=top - begin, left=task.edges[1], kernel_rows=task.kernel[0],
        kernel_cols=task.kernel[1], in_blocks=task.sources, terms=task.kernel[0] * task.kernel[1] * task.sources,
        rows=chunk.count, cols=task.cols, blocks=count, weights=weights, shift=task.shift,
        signed_in=int(task.signed_in), signed_out=int(task.signed_out), largest=int(task.kernel != (1, 1)),
        target=Memory.RESULTS, outside=128 if task.signed_in else 0,  # the smallest is never the largest
        result_row=task.cols, result_col=1, **fields,
    )  # fmt: skip
