"""The reconstructor of dense weights from Tensor-Train cores, as instructions: two matrix products on the array.

TT-YOLOv5 (Liu et al., arXiv 2408.01534) fetches cores and rebuilds dense weights on chip; that the array of the
convolution does it is ours. The result is `TTKernel.rebuild`, bit for bit.

Product 1: pixels are input channels, the map is the first core, the weights are the middle core; its results, the rows
(input channel; N of r2), are the weight tiles of product 2. Product 2: pixels are output channels, the map is the last
core; its results, the rows (output channel; N input channels), are the weight tiles of the convolution.
"""

from collections.abc import Iterator

from ..hardware.instructions import Compute, Instruction, Load, Memory
from .job import Job
from .layout import blocks
from .span import Span


def load_cores(job: Job) -> Iterator[Instruction]:
    """Last core into the activation memory; middle x first into the weight memory, part by part of the middle core."""
    words, cores, inner = job.task.parts(job.n), job.task.cores, job.plan.inner
    job.chip.reserve(Memory.ACTIVATIONS, job.plan.last)
    job.chip.reserve(Memory.WEIGHTS, inner)
    yield Load(memory=Memory.ACTIVATIONS, words=words['last'], ddr=job.at['last'])
    if cores.first_rank is None:
        yield Load(memory=Memory.WEIGHTS, words=words['first'], ddr=job.at['first'])
        return
    first = job.chip.take(Memory.ACTIVATIONS, words['first'])
    yield Load(memory=Memory.ACTIVATIONS, start=first, words=words['first'], ddr=job.at['first'])
    ranks = Span(0, blocks(cores.last_rank, job.n))
    block = words['middle'] // ranks.count  # of N of r2
    for part in ranks.cut((job.sizes.weights - inner) // block):
        yield Load(
            memory=Memory.WEIGHTS, start=inner, words=part.count * block, ddr=job.at['middle'] + part.first * block
        )
        yield from product_one(job, part, first)


def product_one(job: Job, ranks: Span, first: int) -> Iterator[Compute]:
    """Middle x first, whose words begin at ``first``, the blocks ``ranks`` of r2."""
    n, terms = job.n, blocks(job.task.cores.first_rank, job.n)
    for lanes in Span(0, job.into).cut(job.sizes.sums // n):  # blocks of input channels
        yield Compute(
            source=first + lanes.first * n, source_plane=job.into * n, source_row=n,
            in_rows=lanes.count, in_cols=n,
            in_blocks=terms, terms=terms, rows=lanes.count, cols=n, blocks=ranks.count * job.taps,
            weights=job.plan.inner, weights_block=terms * n, weights_step=n,
            shift=job.task.cores.middle_shift, signed_in=1, signed_out=1, target=Memory.WEIGHTS,
            result=(ranks.first * job.terms + lanes.first) * n, result_block=job.into * n, result_row=n, result_col=1,
        )  # fmt: skip


def product_two(job: Job, group: Span, start: int) -> Iterator[Compute]:
    """Dense weights of the output blocks ``group``, from word ``start``."""
    n, terms = job.n, blocks(job.task.cores.last_rank, job.n)
    for lanes in Span(0, group.count).cut(job.sizes.sums // n):  # blocks of output channels
        yield Compute(
            source=(group.first + lanes.first) * n, source_plane=job.out * n, source_row=n,
            in_rows=lanes.count, in_cols=n,
            in_blocks=terms, terms=terms, rows=lanes.count, cols=n, blocks=job.terms,
            weights=0, weights_block=n, weights_step=job.terms * n,
            shift=job.task.cores.last_shift, signed_in=1, signed_out=1, target=Memory.WEIGHTS,
            result=start + lanes.first * job.terms * n, result_block=n, result_row=job.terms * n, result_col=1,
        )  # fmt: skip
