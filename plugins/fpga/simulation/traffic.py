"""What a task costs: cycles by what they are spent on, and bytes that move between chip and memory outside. Ours."""

from collections import Counter
from collections.abc import Iterator

from ..compiler.convolution import conv_instructions
from ..compiler.elementwise import element_instructions
from ..compiler.network import Task
from ..compiler.program import place
from ..compiler.task import ConvTask
from ..hardware.instructions import Compute, Instruction, Memory, Store
from ..hardware.sizes import Sizes
from .cycles import LATENCY, cycles


def task_instructions(task: Task, sizes: Sizes) -> Iterator[Instruction]:
    """Of one task alone, its parts one after another in the memory outside.

    Raises:
        UserError: a memory that is too small.
    """
    write = conv_instructions if isinstance(task, ConvTask) else element_instructions
    return write(task, sizes, place(task.parts(sizes.n)))


def part_of(instruction: Instruction, starts: dict[str, int]) -> str:
    """What an instruction is for: rebuild, compute, store, or the part of the memory outside that it loads."""
    if isinstance(instruction, Compute):
        return 'rebuild' if instruction.target == Memory.WEIGHTS else 'compute'
    if isinstance(instruction, Store):
        return 'store'
    name = max((start, index, name) for index, (name, start) in enumerate(starts.items()) if start <= instruction.ddr)[
        2
    ]
    return 'load maps' if name.startswith('input') else 'load weights'


def cycles_by_part(task: Task, sizes: Sizes, latency: int = LATENCY) -> Counter[str]:
    """Cycles of a task: compute, rebuild, load weights (cores and biases too), load maps, store."""
    starts, total = place(task.parts(sizes.n)), Counter()
    for instruction in task_instructions(task, sizes):
        total[part_of(instruction, starts)] += cycles(instruction, sizes.n, latency)
    return total


def bytes_by_part(task: Task, sizes: Sizes) -> Counter[str]:
    """Bytes of load weights, load maps and store; what is loaded twice counts twice, zeros of the last block count."""
    starts, total = place(task.parts(sizes.n)), Counter()
    for instruction in task_instructions(task, sizes):
        if not isinstance(instruction, Compute):
            total[part_of(instruction, starts)] += sizes.n * instruction.words * instruction.runs
    return total
