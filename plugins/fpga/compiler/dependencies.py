"""Which instructions wait for which: units run at the same time, and memory is as if they ran one after another. Ours.

Every word remembers the last instruction of each unit that wrote and that read it. An instruction waits for those of
other units that wrote what it reads, or read or wrote what it writes. A `Compute` also waits for one that wrote what it
reads: its results may still be on their way. Ports count as memory: a `Compute` that writes
weights has the port of the weight memory, so it and loads of weights wait for each other.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..hardware.instructions import (
    AFTER_BITS,
    KINDS,
    TABLE,
    TABLE_WORDS,
    TABLES,
    Compute,
    Instruction,
    Load,
    Memory,
    Transfer,
)
from ..hardware.sizes import Sizes

FIELDS = ('after_loads', 'after_computes', 'after_stores')  # of KINDS
UNITS = {kind: FIELDS.index(f'after_{kind.__name__.lower()}s') for kind in KINDS}
OLDEST = (1 << (AFTER_BITS - 1)) - 256  # further back than that is waited for a later one, which has long ended too
OUTSIDE, TABLE_AREA = 'outside', 'tables'

Area = tuple[Memory | str, int, int]  # memory, first word, one past the last


def dependent(instructions: Sequence[Instruction], sizes: Sizes) -> tuple[Instruction, ...]:
    """The same instructions, each with the numbers of those that it waits for."""
    ends = [end for x in instructions if isinstance(x, Transfer) for _, _, end in outside(x)]
    shadow, counts, result = Shadow(sizes, max(ends, default=0)), [0] * len(FIELDS), []
    for x in instructions:
        unit, (reads, writes) = UNITS[type(x)], areas(x, sizes)
        needed = shadow.needed(unit, reads, writes)
        needed = [max(number, count - OLDEST, 0) for number, count in zip(needed, counts, strict=True)]
        if not isinstance(x, Compute):
            needed[unit] = 0
        counts[unit] += 1
        shadow.note(unit, counts[unit], reads, writes)
        result.append(replace(x, **dict(zip(FIELDS, needed, strict=True))))
    return tuple(result)


class Shadow:
    """Number of the last instruction of each unit that read, and that wrote, each word; 0 for none."""

    def __init__(self, sizes: Sizes, outside_words: int):
        depths = {
            Memory.ACTIVATIONS: sizes.activations, Memory.WEIGHTS: sizes.weights, Memory.BIASES: 4 * sizes.biases,
            Memory.SUMS: 8 * sizes.sums, Memory.RESULTS: sizes.results, Memory.RESIDUALS: sizes.residuals,
            OUTSIDE: outside_words, TABLE_AREA: TABLES * TABLE_WORDS,
        }  # fmt: skip
        shapes = {memory: (len(FIELDS), depth) for memory, depth in depths.items()}
        self._read, self._written = (
            {memory: np.zeros(shape, np.int32) for memory, shape in shapes.items()} for _ in range(2)
        )

    def needed(self, unit: int, reads: Iterable[Area], writes: Iterable[Area]) -> list[int]:
        """Of each unit the last instruction that these areas wait for."""
        last = [0] * len(FIELDS)
        for other in range(len(FIELDS)):
            for memory, first, end in (*reads, *writes) if other != unit else reads:
                last[other] = max(last[other], int(self._written[memory][other, first:end].max(initial=0)))
            if other == unit:
                continue
            for memory, first, end in writes:
                last[other] = max(last[other], int(self._read[memory][other, first:end].max(initial=0)))
        return last

    def note(self, unit: int, number: int, reads: Iterable[Area], writes: Iterable[Area]) -> None:
        """Instruction ``number`` of ``unit`` touches these areas."""
        for table, touched in ((self._read, reads), (self._written, writes)):
            for memory, first, end in touched:
                table[memory][unit, first:end] = number


def areas(x: Instruction, sizes: Sizes) -> tuple[list[Area], list[Area]]:
    """(what it reads, what it writes); on the chip no less than that."""
    if isinstance(x, Compute):
        return computed_areas(x, sizes)
    if x.memory == Memory.BIASES and x.start >= TABLE:
        return [*outside(x)], [(TABLE_AREA, x.start - TABLE, x.start - TABLE + x.words)]
    chip = [(x.memory, x.start + run * x.step, x.start + run * x.step + x.words) for run in range(x.runs)]
    return ([*outside(x)], chip) if isinstance(x, Load) else (chip, [*outside(x)])


def outside(x: Transfer) -> Iterator[Area]:
    """Of a transfer in the memory outside."""
    words = x.words << getattr(x, 'twice', 0)
    return ((OUTSIDE, x.ddr + run * x.ddr_step, x.ddr + run * x.ddr_step + words) for run in range(x.runs))


def computed_areas(x: Compute, sizes: Sizes) -> tuple[list[Area], list[Area]]:
    """Of a `Compute`; addresses between those that it touches count too."""
    first = x.source + x.top * x.source_row + x.left  # of the pixels that lie inside of the map
    last = first + (x.in_rows - 1) * x.source_row + x.in_cols - 1
    last += (x.blocks - 1) * x.source_block + (x.in_blocks - 1) * x.source_plane
    weights = x.weights + (x.blocks - 1) * x.weights_block + (x.terms - 1) * x.weights_step + sizes.n
    reads = [(Memory.ACTIVATIONS, max(first, 0), last + 1), (Memory.WEIGHTS, x.weights, weights)]
    if x.use_bias:
        reads.append((Memory.BIASES, 4 * x.bias, 4 * (x.bias + x.blocks)))
    if x.look_up:
        reads.append((TABLE_AREA, x.table * TABLE_WORDS, (x.table + 1) * TABLE_WORDS))
    begin = 4 * sizes.sums * x.bank
    writes = [(Memory.SUMS, begin, begin + 4 * sizes.sums)]
    last = x.result + (x.blocks - 1) * x.result_block + (x.rows - 1) * x.result_row + (x.cols - 1) * x.result_col
    if x.target == Memory.WEIGHTS:
        writes.append((Memory.WEIGHTS, 0, sizes.weights))
    elif x.target == Memory.RESULTS:
        writes.append((Memory.RESULTS, x.result, last + 1))
    if x.add:
        reads.append((Memory.RESIDUALS, x.result + x.residual, last + x.residual + 1))
    return reads, writes
