"""The instructions of one convolution: weights of a group of output blocks, a tile of rows, compute, store. Ours."""

from collections.abc import Iterator, Mapping

from ..hardware.instructions import TABLE, TABLE_WORDS, Compute, Instruction, Load, Memory, Store
from ..hardware.sizes import Sizes
from .job import Job
from .plan import make_plan
from .rebuild import load_cores, product_two
from .span import Span
from .task import ConvTask


def conv_instructions(task: ConvTask, sizes: Sizes, at: Mapping[str, int]) -> Iterator[Instruction]:
    """In the order of `make_plan`.

    Args:
        at: first word outside of each part of `ConvTask.parts`.

    Raises:
        UserError: a memory that is too small.
    """
    job = Job(task, make_plan(task, sizes), sizes, at)
    yield Load(Memory.BIASES, 0, words=4 * job.out, ddr=at['biases'])
    if task.look_up:
        yield Load(Memory.BIASES, TABLE, words=TABLE_WORDS, ddr=at['table'])
    if task.cores is not None:
        yield from load_cores(job)
    groups, tiles = [*Span(0, job.out).cut(job.plan.group)], [*Span(0, task.rows).cut(job.plan.rows)]
    pairs = [(group, tile) for group in groups for tile in tiles]
    if not job.plan.groups_outside:
        pairs = [(group, tile) for tile in tiles for group in groups]
    before = None, None
    for group, tile in pairs:
        if group != before[0]:
            yield from load_weights(job, group)
        if tile != before[1]:
            yield load_tile(job, tile)
        yield from compute_tile(job, group, tile)
        before = group, tile


def load_weights(job: Job, group: Span) -> Iterator[Instruction]:
    """Dense weights of the output blocks ``group``."""
    if job.task.cores is not None:
        yield from product_two(job, group)
        return
    block = job.terms * job.n
    yield Load(Memory.WEIGHTS, 0, words=group.count * block, ddr=job.at['weights'] + group.first * block)


def input_rows(task: ConvTask, rows: Span) -> Span:
    """Rows of the input that the output rows ``rows`` need."""
    begin = rows.first * task.stride - task.padding
    first = max(begin, 0)
    return Span(first, min(begin + (rows.count - 1) * task.stride + task.kernel[0], task.in_rows) - first)


def load_tile(job: Job, tile: Span) -> Load:
    """All channels of the input rows of the output rows ``tile``."""
    task, rows = job.task, input_rows(job.task, tile)
    words, plane = rows.count * task.in_cols, task.in_rows * task.in_cols
    ddr = job.at['input'] + rows.first * task.in_cols
    return Load(Memory.ACTIVATIONS, job.plan.last, step=words, words=words, runs=job.into, ddr=ddr, ddr_step=plane)


def compute_tile(job: Job, group: Span, tile: Span) -> Iterator[Instruction]:
    """Output rows ``tile`` of the output blocks ``group``, computed and stored."""
    task, plane = job.task, job.task.rows * job.task.cols
    result = job.plan.last + job.into * task.tile_rows(job.plan.rows) * task.in_cols
    for chunk in tile.cut(job.plan.chunk):
        if task.shift is None:
            yield from sums_of_chunk(job, group, tile, chunk)
        else:
            to = result + (chunk.first - tile.first) * task.cols
            yield compute(
                job, tile, chunk, bias=group.first, blocks=group.count, weights=job.plan.inner, shift=task.shift,
                result=to, result_block=tile.count * task.cols, result_row=task.cols, result_col=1,
            )  # fmt: skip
    if task.shift is not None:
        words, ddr = tile.count * task.cols, job.at['output'] + group.first * plane + tile.first * task.cols
        yield Store(Memory.ACTIVATIONS, result, step=words, words=words, runs=group.count, ddr=ddr, ddr_step=plane)


def sums_of_chunk(job: Job, group: Span, tile: Span, chunk: Span) -> Iterator[Instruction]:
    """32-bit sums block by block, each stored from the accumulators."""
    task, block = job.task, job.terms * job.n
    for index in range(group.count):
        bias, weights = group.first + index, job.plan.inner + index * block
        yield compute(job, tile, chunk, bias=bias, weights=weights, target=Memory.SUMS)
        ddr = job.at['output'] + 4 * ((bias * task.rows + chunk.first) * task.cols)
        yield Store(Memory.SUMS, 0, words=4 * chunk.count * task.cols, ddr=ddr)


def compute(job: Job, tile: Span, chunk: Span, **fields) -> Compute:
    """Of the output rows ``chunk``, which lie inside of ``tile``, whose input is on the chip.

    The source window begins at the first row that exists, so that only ``top`` rows above it are zeros. So ``source``,
    where the first tap of the first pixel would lie, may be below the input, even below 0: the hardware reads nothing
    there.
    """
    task, rows = job.task, input_rows(job.task, tile)
    begin = chunk.first * task.stride - task.padding
    window = max(begin, 0)
    return Compute(
        source=job.plan.last + (begin - rows.first) * task.in_cols - task.padding,
        source_plane=rows.count * task.in_cols, source_row=task.in_cols, stride=task.stride,
        in_rows=rows.end - window, in_cols=task.in_cols, top=window - begin, left=task.padding,
        kernel_rows=task.kernel[0], kernel_cols=task.kernel[1], in_blocks=job.into, terms=job.terms,
        rows=chunk.count, cols=task.cols, weights_block=job.terms * job.n, weights_step=job.n,
        use_bias=1, signed_in=int(task.signed_in), signed_out=int(task.signed_out or task.look_up),
        look_up=int(task.look_up), outside=task.outside, **fields,
    )  # fmt: skip
