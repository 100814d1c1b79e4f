"""Cycles and bytes of a whole network: the instruction stream of every layer, counted; nothing is simulated. Ours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..accelerator.convolution import conv_instructions
from ..accelerator.cycles import LATENCY, total_cycles
from ..accelerator.elementwise import element_instructions
from ..accelerator.instructions import Compute, Instruction
from ..accelerator.network import Task
from ..accelerator.program import place
from ..accelerator.sizes import Sizes
from ..accelerator.task import ConvTask
from .layers import Layers, in_form

MAPS = 'input', 'output'  # parts of a task whose names begin so are maps, all others weights


@dataclass(frozen=True)
class LayerCost:
    """Of one layer for one image.

    Attributes:
        weight_bytes: fetched: weights or cores, biases.
        map_bytes: fetched and written.
        macs: of the convolutions as they run; products that rebuild kernels are in the cycles only.
    """

    name: str
    cycles: int
    weight_bytes: int
    map_bytes: int
    macs: int


@dataclass(frozen=True)
class NetworkCost:
    """Of all layers, and their sums."""

    sizes: Sizes
    form: str
    layers: tuple[LayerCost, ...]

    @property
    def cycles(self) -> int:
        """Of a frame."""
        return sum(x.cycles for x in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Fetched for a frame."""
        return sum(x.weight_bytes for x in self.layers)

    @property
    def map_bytes(self) -> int:
        """Fetched and written for a frame."""
        return sum(x.map_bytes for x in self.layers)

    @property
    def macs(self) -> int:
        """Of a frame."""
        return sum(x.macs for x in self.layers)


def cost(layers: Layers, sizes: Sizes, form: str = 'rebuild', latency: int = LATENCY) -> NetworkCost:
    """Of layers by `layers_of` or `layers_of_model`.

    Args:
        form: of the Tensor-Train layers: dense, chain or rebuild.
        latency: cycles of a read of the memory outside.

    Raises:
        UserError: an unknown form, or memories that are too small for a layer.
    """
    found = []
    for name, whole in layers.items():
        tasks = [part for task in whole for part in in_form(task, form)]
        parts = [task_cost(task, sizes, latency) for task in tasks]
        sums = (sum(column) for column in zip(*parts, strict=True)) if parts else (0, 0, 0)
        found.append(LayerCost(name, *sums, sum(task.macs for task in tasks)))
    return NetworkCost(sizes, form, tuple(found))


def task_cost(task: Task, sizes: Sizes, latency: int = LATENCY) -> tuple[int, int, int]:
    """(cycles, bytes of weights, bytes of maps)."""
    instructions, parts = task_instructions(task, sizes)
    weights, maps = moved_words(instructions, parts)
    return total_cycles(instructions, sizes.n, latency), weights * sizes.n, maps * sizes.n


def task_instructions(task: Task, sizes: Sizes) -> tuple[list[Instruction], dict[str, int]]:
    """The stream of a task, and words of its parts, which lie one after another outside."""
    parts = task.parts(sizes.n)
    write = conv_instructions if isinstance(task, ConvTask) else element_instructions
    return list(write(task, sizes, place(parts))), parts


def moved_words(instructions: Iterable[Instruction], parts: Mapping[str, int]) -> tuple[int, int]:
    """(of weights, of maps) between the chip and the memory outside, told apart by their addresses there."""
    weights = [range(start, start + parts[name]) for name, start in place(parts).items() if not name.startswith(MAPS)]
    moved = [0, 0]
    for instruction in instructions:
        if not isinstance(instruction, Compute):
            is_map = not any(instruction.ddr in part for part in weights)
            moved[is_map] += instruction.words * instruction.runs
    return moved[0], moved[1]
