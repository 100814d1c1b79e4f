"""The instructions of one convolution: weights of a group of output blocks, a tile of rows, compute, store. Ours."""

from collections.abc import Iterator, Mapping

from .instructions import Compute, Instruction, Load, Memory, Store
from .job import Job
from .plan import make_plan
from .rebuild import load_cores, product_two
from .sizes import Sizes
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
    if task.cores is not None:
        yield from load_cores(job)
    groups, tiles = range(0, job.out, job.plan.group), range(0, task.rows, job.plan.rows)
    pairs = [(g, t) for g in groups for t in tiles]
    if not job.plan.groups_outside:
        pairs = [(g, t) for t in tiles for g in groups]
    before = None, None
    for first, tile in pairs:
        group = first, min(job.plan.group, job.out - first)
        if first != before[0]:
            yield from load_weights(job, *group)
        if tile != before[1]:
            yield load_tile(job, tile)
        yield from compute_tile(job, group, tile)
        before = first, tile


def load_weights(job: Job, first: int, count: int) -> Iterator[Instruction]:
    """Dense weights of ``count`` output blocks from ``first``."""
    if job.task.cores is not None:
        yield from product_two(job, first, count)
        return
    block = job.terms * job.n
    yield Load(Memory.WEIGHTS, 0, words=count * block, ddr=job.at['weights'] + first * block)


def input_rows(task: ConvTask, first: int, rows: int) -> tuple[int, int]:
    """(first, one past the last) row of the input that ``rows`` output rows from ``first`` need."""
    begin = first * task.stride - task.padding
    return max(begin, 0), min(begin + (rows - 1) * task.stride + task.kernel[0], task.in_rows)


def load_tile(job: Job, tile: int) -> Load:
    """All channels of the input rows of the output rows from ``tile``."""
    task = job.task
    first, end = input_rows(task, tile, min(job.plan.rows, task.rows - tile))
    words, plane = (end - first) * task.in_cols, task.in_rows * task.in_cols
    ddr = job.at['input'] + first * task.in_cols
    return Load(Memory.ACTIVATIONS, job.plan.last, step=words, words=words, runs=job.into, ddr=ddr, ddr_step=plane)


def compute_tile(job: Job, group: tuple[int, int], tile: int) -> Iterator[Instruction]:
    """Output rows from ``tile`` of the blocks ``group`` (first, count), computed and stored."""
    task, (first, count) = job.task, group
    rows, plane = min(job.plan.rows, task.rows - tile), task.rows * task.cols
    result = job.plan.last + job.into * task.tile_rows(job.plan.rows) * task.in_cols
    for row in range(tile, tile + rows, job.plan.chunk):
        chunk = row, min(job.plan.chunk, tile + rows - row)
        if task.shift is None:
            yield from sums_of_chunk(job, group, (tile, rows), chunk)
        else:
            to = result + (row - tile) * task.cols
            yield compute(
                job, (tile, rows), chunk, bias=first, blocks=count, weights=job.plan.inner, shift=task.shift,
                result=to, result_block=rows * task.cols, result_row=task.cols, result_col=1,
            )  # fmt: skip
    if task.shift is not None:
        words, ddr = rows * task.cols, job.at['output'] + first * plane + tile * task.cols
        yield Store(Memory.ACTIVATIONS, result, step=words, words=words, runs=count, ddr=ddr, ddr_step=plane)


def sums_of_chunk(job: Job, group: tuple[int, int], tile: tuple[int, int], chunk: tuple[int, int]):
    """32-bit sums block by block, each stored from the accumulators."""
    task, (first, count), block = job.task, group, job.terms * job.n
    for index in range(count):
        bias, weights = first + index, job.plan.inner + index * block
        yield compute(job, tile, chunk, bias=bias, weights=weights, target=Memory.SUMS)
        ddr = job.at['output'] + 4 * ((bias * task.rows + chunk[0]) * task.cols)
        yield Store(Memory.SUMS, 0, words=4 * chunk[1] * task.cols, ddr=ddr)


def compute(job: Job, tile: tuple[int, int], chunk: tuple[int, int], **fields) -> Compute:
    """Of the output rows ``chunk`` (first, number of), whose input is that of ``tile`` (the same).

    The source window begins at the first row that exists, so that only ``top`` rows above it are zeros.
    """
    task, (begin, end) = job.task, input_rows(job.task, *tile)
    wanted = chunk[0] * task.stride - task.padding
    window = max(wanted, 0)
    return Compute(
        source=job.plan.last + (wanted - begin) * task.in_cols - task.padding,
        source_plane=(end - begin) * task.in_cols, source_row=task.in_cols, stride=task.stride,
        in_rows=end - window, in_cols=task.in_cols, top=window - wanted, left=task.padding,
        kernel_rows=task.kernel[0], kernel_cols=task.kernel[1], in_blocks=job.into, terms=job.terms,
        rows=chunk[1], cols=task.cols, weights_block=job.terms * job.n, weights_step=job.n,
        use_bias=1, signed_in=int(task.signed_in), signed_out=int(task.signed_out), **fields,
    )  # fmt: skip
