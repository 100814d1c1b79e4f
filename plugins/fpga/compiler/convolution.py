"""The instructions of one convolution: weights of a group of output blocks, a tile of rows, compute, store. Ours."""

from collections.abc import Iterator, Mapping

from ..hardware.instructions import TABLE, TABLE_WORDS, Compute, Instruction, Load, Memory, Store
from .chip import Chip
from .job import Job
from .layout import blocks
from .plan import make_plan
from .rebuild import load_cores, product_two
from .span import Span
from .task import ConvTask


def conv_instructions(task: ConvTask, chip: Chip, at: Mapping[str, int]) -> Iterator[Instruction]:
    """In the order of `make_plan`.

    Args:
        at: first word outside of each part of `ConvTask.parts`.

    Raises:
        UserError: a memory that is too small.
    """
    plan = make_plan(task, chip.sizes)
    words = 4 * blocks(task.out_channels, chip.sizes.n)
    job = Job(task, plan, chip, at, chip.take(Memory.BIASES, words) // 4, chip.table() if task.look_up else 0)
    yield Load(memory=Memory.BIASES, start=4 * job.bias, words=words, ddr=at['biases'])
    if task.look_up:
        yield Load(memory=Memory.BIASES, start=TABLE + TABLE_WORDS * job.table, words=TABLE_WORDS, ddr=at['table'])
    if task.cores is not None:
        yield from load_cores(job)
    groups, tiles = [*Span(0, job.out).cut(plan.group)], [*Span(0, task.rows).cut(plan.rows)]
    pairs = [(group, tile) for group in groups for tile in tiles]
    if not plan.groups_outside:
        pairs = [(group, tile) for tile in tiles for group in groups]
    before = None, None
    for group, tile in pairs:
        if group != before[0]:
            weights = chip.take(Memory.WEIGHTS, group.count * job.terms * job.n)
            yield from load_weights(job, group, weights)
        if tile != before[1]:
            load = load_tile(job, tile)
            yield load
        yield from compute_tile(job, group, tile, (load.start, weights))
        before = group, tile
    if task.cores is not None:
        chip.reserve(Memory.ACTIVATIONS, 0)
        chip.reserve(Memory.WEIGHTS, 0)


def load_weights(job: Job, group: Span, start: int) -> Iterator[Instruction]:
    """Dense weights of the output blocks ``group``, to word ``start``."""
    if job.task.cores is not None:
        yield from product_two(job, group, start)
        return
    block = job.terms * job.n
    ddr = job.at['weights'] + group.first * block
    yield Load(memory=Memory.WEIGHTS, start=start, words=group.count * block, ddr=ddr)


def input_rows(task: ConvTask, rows: Span) -> Span:
    """Rows of the input that the output rows ``rows`` need."""
    return rows.read_by(task.stride, task.padding, task.kernel[0], task.in_rows)


def load_tile(job: Job, tile: Span) -> Load:
    """All channels of the input rows of the output rows ``tile``."""
    task, rows = job.task, input_rows(job.task, tile)
    words, plane = rows.count * task.in_cols, task.in_rows * task.in_cols
    start = job.chip.take(Memory.ACTIVATIONS, job.into * words)
    ddr = job.at['input'] + rows.first * task.in_cols
    return Load(
        memory=Memory.ACTIVATIONS, start=start, step=words, words=words, runs=job.into, ddr=ddr, ddr_step=plane
    )  # fmt: skip


def compute_tile(job: Job, group: Span, tile: Span, at: tuple[int, int]) -> Iterator[Instruction]:
    """Output rows ``tile`` of the output blocks ``group``, computed and stored.

    Args:
        at: first words of the tile of the input and of the weights on the chip.
    """
    task, chip = job.task, job.chip
    if task.shift is None:
        for chunk in tile.cut(job.plan.chunk):
            yield from sums_of_chunk(job, group, tile, chunk, at)
        return
    plane, words = task.rows * task.cols, tile.count * task.cols
    run = dict(step=words, words=words, runs=group.count, ddr_step=plane)  # of a tile of the output
    place = group.first * plane + tile.first * task.cols
    result, fields = chip.take(Memory.RESULTS, group.count * words), {}
    if task.residual is not None:
        start = chip.take(Memory.RESIDUALS, group.count * words)
        yield Load(memory=Memory.RESIDUALS, start=start, ddr=job.at['input1'] + place, **run)
        fields = dict(add=1, add_shift=task.residual.shift, signed_add=int(task.residual.signed))
        fields['residual'] = start - result
    for chunk in tile.cut(job.plan.chunk):
        yield compute(
            job, tile, chunk, at, bias=job.bias + group.first, blocks=group.count, shift=task.shift,
            target=Memory.RESULTS, result=result + (chunk.first - tile.first) * task.cols,
            result_block=words, result_row=task.cols, result_col=1, bank=chip.bank(), **fields,
        )  # fmt: skip
    yield Store(memory=Memory.RESULTS, start=result, ddr=job.at['output'] + place, **run)


def sums_of_chunk(job: Job, group: Span, tile: Span, chunk: Span, at: tuple[int, int]) -> Iterator[Instruction]:
    """32-bit sums block by block, each stored from the accumulators."""
    task, (source, weights), block = job.task, at, job.terms * job.n
    for index in range(group.count):
        first, bank = group.first + index, job.chip.bank()
        place = source, weights + index * block
        yield compute(job, tile, chunk, place, bias=job.bias + first, bank=bank, target=Memory.SUMS)
        start, ddr = 4 * bank * job.sizes.sums, job.at['output'] + 4 * ((first * task.rows + chunk.first) * task.cols)
        yield Store(memory=Memory.SUMS, start=start, words=4 * chunk.count * task.cols, ddr=ddr)


def compute(job: Job, tile: Span, chunk: Span, at: tuple[int, int], **fields) -> Compute:
    """Of the output rows ``chunk``, which lie inside of ``tile``, whose input is on the chip.

    The source window begins at the first row that exists, so that only ``top`` rows above it are zeros. So ``source``,
    where the first tap of the first pixel would lie, may be below the input, even below 0: the hardware reads nothing
    there.
    """
    task, rows, (source, weights) = job.task, input_rows(job.task, tile), at
    begin = chunk.first * task.stride - task.padding
    window = max(begin, 0)
    return Compute(
        source=source + (begin - rows.first) * task.in_cols - task.padding,
        source_plane=rows.count * task.in_cols, source_row=task.in_cols, stride=task.stride,
        in_rows=rows.end - window, in_cols=task.in_cols, top=window - begin, left=task.padding,
        kernel_rows=task.kernel[0], kernel_cols=task.kernel[1], in_blocks=job.into, terms=job.terms,
        rows=chunk.count, cols=task.cols, weights=weights, weights_block=job.terms * job.n, weights_step=job.n,
        use_bias=1, signed_in=int(task.signed_in), signed_out=int(task.signed_out),
        look_up=int(task.look_up), table=job.table, outside=task.outside, **fields,
    )  # fmt: skip
