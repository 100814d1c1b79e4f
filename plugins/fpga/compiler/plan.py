"""How a convolution is cut so that its parts fit the memories. Ours.

Where it can be, a part takes at most a third of its memory, so that the next one is loaded, and the last one stored,
beside it; and a map has several tiles, so that the next layer begins on the first of them.
"""

from dataclasses import dataclass

from detplug.errors import UserError

from ..hardware.sizes import Sizes
from .layout import blocks
from .task import ConvTask

TILES = 4  # of a map, or more
SHARE = 3  # a part is at most this share of its memory: the next one in the ring then leaves the last one alone


@dataclass(frozen=True)
class Plan:
    """Sizes in words, of the array's N.

    Attributes:
        group: output blocks whose dense weights are on the chip at once.
        rows: output rows whose input, and output of a group, are on the chip at once.
        chunk: output rows of one `Compute`, as many as the accumulators hold.
        groups_outside: the loop over groups is the outer one; otherwise the loop over tiles of rows is.
        last: words of the last core, at the beginning of the activation memory.
        inner: words of middle x first, at the beginning of the weight memory; dense weights follow.
    """

    group: int
    rows: int
    chunk: int
    groups_outside: bool
    last: int
    inner: int


def make_plan(task: ConvTask, sizes: Sizes) -> Plan:
    """The largest group, then the most rows that fit and leave TILES; the order of the loops that moves fewer words.

    Raises:
        UserError: a convolution of which not even one row of one block fits.
    """
    n, parts = sizes.n, task.parts(sizes.n)
    into, out = blocks(task.in_channels, n), blocks(task.out_channels, n)
    block = task.kernel[0] * task.kernel[1] * into * n
    inner = 0 if task.cores is None else blocks(task.cores.last_rank, n) * block
    last = parts.get('last', 0)
    room = sizes.weights - inner
    group = min(room // SHARE // block or room // 2 // block or room // block, out)
    if group < 1:
        raise refusal(task, 'weights', inner + block, 'weight')
    memory = sizes.results if task.residual is None else min(sizes.results, sizes.residuals)
    if task.shift is not None:
        group = min(group, memory // SHARE // task.cols or 1)
    if out > sizes.biases:
        raise refusal(task, 'biases', out, 'bias')
    if task.cols > sizes.sums:
        raise refusal(task, 'columns of the output', task.cols, 'accumulator')
    kept = 0 if task.shift is None else group * task.cols  # of a row of the output
    added = 0 if task.residual is None else kept

    def words(rows: int) -> int:
        return into * task.tile_rows(rows) * task.in_cols

    def fits(rows: int, parts: int) -> bool:
        room = (sizes.activations - last) // parts, sizes.results // parts, sizes.residuals // parts
        return all(need <= depth for need, depth in zip((words(rows), rows * kept, rows * added), room, strict=True))

    most = -(-task.rows // TILES)
    rows = max((r for r in range(1, most + 1) if fits(r, SHARE)), default=0) or int(fits(1, 1))
    if rows < 1:
        for need, memory in ((last + words(1), 'activation'), (kept, 'result'), (added, 'residual')):
            if need > getattr(sizes, f'{memory}s'):
                raise refusal(task, 'rows', need, memory)
    if last + parts.get('first', 0) > sizes.activations:
        raise refusal(task, 'cores', last + parts['first'], 'activation')
    middle = 0 if task.cores is None else parts['middle'] // blocks(task.cores.last_rank, n)
    if inner + middle > sizes.weights:
        raise refusal(task, 'cores', inner + middle, 'weight')
    groups, tiles = -(-out // group), -(-task.rows // rows)
    maps, kernels = parts['input'], out * block
    groups_outside = groups * maps + kernels <= maps + tiles * kernels
    return Plan(group, rows, min(rows, sizes.sums // task.cols), groups_outside, last, inner)


def refusal(task: ConvTask, field: str, words: int, memory: str) -> UserError:
    """The error of a memory that is too small."""
    return UserError(f'{task.name}: {field}: need {words} words; make the {memory} memory of the accelerator larger')
