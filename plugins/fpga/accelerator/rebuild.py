"""The reconstructor of dense weights from Tensor-Train cores, as instructions: two matrix products on the array.

TT-YOLOv5 (Liu et al., arXiv 2408.01534) fetches cores and rebuilds dense weights on chip; that the array of the
convolution does it is ours. The result is `TTKernel.rebuild`, bit for bit.

Product 1: pixels are input channels, the map is the first core, the weights are the middle core; its results, the rows
(input channel; N of r2), are the weight tiles of product 2. Product 2: pixels are output channels, the map is the last
core; its results, the rows (output channel; N input channels), are the weight tiles of the convolution.
"""

from collections.abc import Iterator

from .instructions import Compute, Instruction, Load, Memory
from .job import Job
from .layout import blocks


def load_cores(job: Job) -> Iterator[Instruction]:
    """Last core into the activation memory; middle x first into the weight memory, part by part of the middle core."""
    words, cores, inner = job.task.parts(job.n), job.task.cores, job.plan.inner
    yield Load(Memory.ACTIVATIONS, 0, words=words['last'], ddr=job.at['last'])
    if cores.first_rank is None:
        yield Load(Memory.WEIGHTS, 0, words=words['first'], ddr=job.at['first'])
        return
    yield Load(Memory.ACTIVATIONS, job.plan.last, words=words['first'], ddr=job.at['first'])
    steps = blocks(cores.last_rank, job.n)
    block = words['middle'] // steps  # of N of r2
    at_once = (job.sizes.weights - inner) // block
    for step in range(0, steps, at_once):
        count = min(at_once, steps - step)
        yield Load(Memory.WEIGHTS, inner, words=count * block, ddr=job.at['middle'] + step * block)
        yield from product_one(job, step, count)


def product_one(job: Job, step: int, count: int) -> Iterator[Compute]:
    """Middle x first, blocks ``step`` to ``step + count`` of r2."""
    n, terms = job.n, blocks(job.task.cores.first_rank, job.n)
    rows = job.sizes.sums // n  # of N input channels
    for row in range(0, job.into, rows):
        now = min(rows, job.into - row)
        yield Compute(
            source=job.plan.last + row * n, source_plane=job.into * n, source_row=n, in_rows=now, in_cols=n,
            in_blocks=terms, terms=terms, rows=now, cols=n, blocks=count * job.taps,
            weights=job.plan.inner, weights_block=terms * n, weights_step=n,
            shift=job.task.cores.middle_shift, signed_in=1, signed_out=1, target=Memory.WEIGHTS,
            result=(step * job.terms + row) * n, result_block=job.into * n, result_row=n, result_col=1,
        )  # fmt: skip


def product_two(job: Job, first: int, count: int) -> Iterator[Compute]:
    """Dense weights of the output blocks ``first`` to ``first + count``, behind middle x first."""
    n, terms, inner = job.n, blocks(job.task.cores.last_rank, job.n), job.plan.inner
    rows = job.sizes.sums // n  # of N output channels
    for row in range(0, count, rows):
        now = min(rows, count - row)
        yield Compute(
            source=(first + row) * n, source_plane=job.out * n, source_row=n, in_rows=now, in_cols=n,
            in_blocks=terms, terms=terms, rows=now, cols=n, blocks=job.terms,
            weights=0, weights_block=n, weights_step=job.terms * n,
            shift=job.task.cores.last_shift, signed_in=1, signed_out=1, target=Memory.WEIGHTS,
            result=inner + row * job.terms * n, result_block=n, result_row=job.terms * n, result_col=1,
        )  # fmt: skip
