"""What instructions cost: cycles by what they are spent on, bytes that move between chip and memory outside. Ours."""

from collections import Counter
from collections.abc import Iterable, Mapping

from ..compiler.chip import Chip
from ..compiler.dependencies import dependent
from ..compiler.network import Task, task_instructions
from ..compiler.program import place
from ..hardware.instructions import Compute, Instruction, Memory, Store
from ..hardware.sizes import Sizes
from .cycles import LATENCY, cycles


def task_program(task: Task, sizes: Sizes) -> tuple[tuple[Instruction, ...], dict[str, int]]:
    """One task alone: its instructions, and the first word outside of each of its parts, one after another.

    Raises:
        UserError: a memory that is too small.
    """
    starts = place(task.parts(sizes.n))
    return dependent([*task_instructions(task, Chip(sizes), starts)], sizes), starts


def part_of(instruction: Instruction, starts: Mapping[str, int]) -> str:
    """What an instruction is for: rebuild, compute, store, or the part of the memory outside that it loads."""
    if isinstance(instruction, Compute):
        return 'rebuild' if instruction.target == Memory.WEIGHTS else 'compute'
    if isinstance(instruction, Store):
        return 'store'
    name = max((start, index, name) for index, (name, start) in enumerate(starts.items()) if start <= instruction.ddr)[
        2
    ]
    return 'load maps' if name.startswith('input') else 'load weights'


def cycles_by_part(
    instructions: Iterable[Instruction], n: int, starts: Mapping[str, int], latency: int = LATENCY
) -> Counter[str]:
    """Cycles of units at work: compute, rebuild, load weights (cores and biases too), load maps, store."""
    total = Counter()
    for instruction in instructions:
        total[part_of(instruction, starts)] += cycles(instruction, n, latency)
    return total


def bytes_by_part(instructions: Iterable[Instruction], n: int, starts: Mapping[str, int]) -> Counter[str]:
    """Bytes of load weights, load maps and store; what is loaded twice counts twice, zeros of the last block count."""
    total = Counter()
    for instruction in instructions:
        if not isinstance(instruction, Compute):
            words = instruction.words * instruction.runs << getattr(instruction, 'twice', 0)
            total[part_of(instruction, starts)] += n * words
    return total
