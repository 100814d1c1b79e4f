"""When every instruction begins and ends, without simulating it: three units that wait for each other. Ours."""

from collections.abc import Sequence
from typing import NamedTuple

from ..hardware.compute_unit import drain_cycles
from ..hardware.controller import QUEUED
from ..hardware.instructions import AFTER_BITS, KINDS, Compute, Instruction, Load
from ..hardware.sequencer import least_cycles

LATENCY = 8  # cycles of a read of the memory outside
TAKEN = 2  # an instruction is begun, its unit starts


class Times(NamedTuple):
    """Cycles from the first instruction's being taken on."""

    begin: int
    end: int


def cycles(instruction: Instruction, n: int, latency: int = LATENCY) -> int:
    """From its begin until its unit is free for the next one, on an array of n x n; exact."""
    if isinstance(instruction, Compute):
        passes = instruction.blocks * instruction.terms
        pixels = instruction.rows * instruction.cols
        return TAKEN + least_cycles(n) + passes * max(pixels, least_cycles(n))
    if isinstance(instruction, Load):
        return TAKEN + instruction.words * instruction.runs + latency
    return TAKEN + (instruction.words * instruction.runs << instruction.twice) + 4


def timeline(instructions: Sequence[Instruction], n: int, latency: int = LATENCY) -> list[Times]:
    """Of every instruction of a program; exact.

    An instruction is taken a cycle after the one before it, when the queue of its unit has room; begins two cycles
    later, when its unit is free, and two cycles after those have ended that it waits for.
    """
    times, taken, free = [], -1, [0] * len(KINDS)
    begins, ends = ([[] for _ in KINDS] for _ in range(2))
    for x in instructions:
        unit = KINDS.index(type(x))
        taken += 1
        if len(begins[unit]) >= QUEUED:
            taken = max(taken, begins[unit][-QUEUED] + 1)
        begin = max(taken + 2, free[unit])
        for other, number in enumerate((x.after_loads, x.after_stores, x.after_computes)):
            if other != unit or isinstance(x, Compute):
                begin = max(begin, end_of(ends[other], number) + 2)
        free[unit] = begin + cycles(x, n, latency)
        begins[unit].append(begin)
        ends[unit].append(free[unit] + (drain_cycles(n) if isinstance(x, Compute) else 0))
        times.append(Times(begin, ends[unit][-1]))
    return times


def end_of(ends: Sequence[int], number: int) -> int:
    """Of the last ``number``, modulo 2 ** AFTER_BITS, of the instructions that ended at ``ends``; -1 where none is."""
    number = len(ends) - (len(ends) - number) % (1 << AFTER_BITS)
    return ends[number - 1] if number > 0 else -1


def total_cycles(instructions: Sequence[Instruction], n: int, latency: int = LATENCY) -> int:
    """Of a program, from the first instruction's being taken to the last one's end."""
    return max((x.end for x in timeline(instructions, n, latency)), default=0)
