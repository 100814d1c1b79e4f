"""Cycles of an instruction, and of a program, without simulating it. Ours."""

from collections.abc import Iterable

from ..hardware.compute_unit import drain_cycles
from ..hardware.instructions import Compute, Instruction, Load

LATENCY = 8  # cycles of a read of the memory outside
TAKEN = 2  # an instruction is taken, its unit starts


def cycles(instruction: Instruction, n: int, latency: int = LATENCY) -> int:
    """Until the next instruction is taken, on an array of n x n; exact."""
    if isinstance(instruction, Compute):
        passes = instruction.blocks * instruction.terms
        pixels = instruction.rows * instruction.cols
        return TAKEN + n + passes * max(pixels, n) + drain_cycles(n)
    return TAKEN + instruction.words * instruction.runs + (latency if isinstance(instruction, Load) else 2)


def total_cycles(instructions: Iterable[Instruction], n: int, latency: int = LATENCY) -> int:
    """Of a program: instructions run one after another."""
    return sum(cycles(x, n, latency) for x in instructions)
