"""A whole integer network as one program: layer after layer, maps between them in the memory outside. Ours."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from ..hardware.instructions import Instruction
from ..hardware.sizes import Sizes
from ..integers.integer_network import Add, Concat, Conv, Format, IntegerNetwork, Op
from ..integers.map_shapes import map_shapes
from .chip import Chip
from .convolution import conv_instructions
from .dependencies import dependent
from .elementwise import ElementTask, element_instructions, element_tasks, identity_words, residual_of
from .fuse_add import fused_adds
from .layout import blocks, map_of_words, map_words, sums_of_words
from .lowering import Lowered, lower
from .placement import Placement, place_maps
from .program import Program, weight_images
from .task import ConvTask, conv_task

Task = ConvTask | ElementTask


def network_tasks(network: IntegerNetwork) -> dict[str, tuple[Task, ...]]:
    """Tasks of every operation of a lowered network.

    None of a concatenation, whose copies are not counted, and of a fused addition.
    """
    fused = fused_adds(network)
    done = {op.name for op in fused.values()}
    return {op.name: () if op.name in done else op_tasks(network, op, fused.get(op.name)) for op in network.ops}


def op_tasks(network: IntegerNetwork, op: Op, add: Add | None = None) -> tuple[Task, ...]:
    """The tasks of an operation, each of which reads what the one before made.

    Args:
        add: the addition that a convolution does too.
    """
    if isinstance(op, Concat):
        return ()
    sources, size = formats_of(network, op), map_shapes(network)[op.sources[0]]
    if not isinstance(op, Conv):
        return element_tasks(op, sources, *size)
    residual = None if add is None else residual_of(add, formats_of(network, add))
    return (conv_task(op, sources[0], *size[1:], residual),)


def formats_of(network: IntegerNetwork, op: Op) -> list[Format]:
    """Of what an operation reads."""
    return [network.formats[name] for name in op.sources]


@dataclass(frozen=True)
class NetworkProgram:
    """Of all images.

    Attributes:
        lowered: what runs in its place.
        instructions: of each operation by name.
        fused: a convolution whose map is nowhere -> the addition that it does.
        constants: (words, N) uint8, weights, cores and biases, behind the maps in the memory outside.
    """

    network: IntegerNetwork
    lowered: Lowered
    sizes: Sizes
    placement: Placement
    instructions: dict[str, tuple[Instruction, ...]]
    fused: Mapping[str, Add]
    constants: np.ndarray

    def program(self, x: np.ndarray) -> Program:
        """For the integers x (C, H, W)."""
        n = self.sizes.n
        maps = np.zeros((self.placement.words, n), np.uint8)
        words = map_words(self.lowered.views[self.network.input].write(x), n).reshape(-1, n)
        start = self.placement.starts[self.network.input]
        maps[start : start + len(words)] = words
        code = tuple(chain.from_iterable(self.instructions.values()))
        return Program('network', code, np.concatenate([maps, self.constants]))

    def map(self, name: str, outside: np.ndarray) -> np.ndarray:
        """(C, H, W) int64, a map by name, of the memory outside at the end; KeyError for one that is nowhere."""
        network, view, n = self.lowered.network, self.lowered.views[name], self.sizes.n
        (channels, rows, cols), form = map_shapes(network)[name], network.formats[name]
        start, parts = self.placement.starts[name], form.bits // 8
        words = outside[start : start + blocks(channels, n) * rows * cols * parts]
        if parts > 1:
            return view.read(sums_of_words(words.reshape(-1, rows, cols, parts, n), channels))
        return view.read(map_of_words(words.reshape(-1, rows, cols, n), channels, form.signed))


def network_program(network: IntegerNetwork, sizes: Sizes) -> NetworkProgram:
    """Instructions and constants of a network.

    Raises:
        UserError: an operation that the accelerator, or its memories, cannot run.
    """
    lowered = lower(network, sizes.n)
    source, network = network, lowered.network
    fused = fused_adds(network)
    placement, constants = place_maps(network, sizes.n, without=fused), [identity_words(sizes.n)]
    words, chip, code = placement.words + sizes.n, Chip(sizes), {}
    tasks = network_tasks(network)
    for op in network.ops:
        code[op.name] = []
        if any(op is add for add in fused.values()):
            continue
        adds = (fused[op.name],) if op.name in fused else ()
        sources = [*op.sources, *(name for add in adds for name in add.sources if name != op.name)]
        at = {f'input{index}': placement.starts[name] for index, name in enumerate(sources)}
        at |= dict(weights=placement.words, output=placement.starts[(*adds, op)[0].name])
        if isinstance(op, Conv):
            for part, image in weight_images(op, network.formats[op.sources[0]], sizes.n).items():
                constants.append(image.reshape(-1, sizes.n))
                at[part] = words
                words += len(constants[-1])
            at['input'] = at['input0']
        tasks_here = (
            copy_tasks(network, op, placement, at) if isinstance(op, Concat) else steps(tasks[op.name], placement, at)
        )
        code[op.name] = [x for task, places in tasks_here for x in task_instructions(task, chip, places)]
    ordered = iter(dependent([*chain.from_iterable(code.values())], sizes))
    instructions = {name: tuple(next(ordered) for _ in part) for name, part in code.items()}
    return NetworkProgram(source, lowered, sizes, placement, instructions, fused, np.concatenate(constants))


def task_instructions(task: Task, chip: Chip, at: Mapping[str, int]) -> Iterator[Instruction]:
    """Of one task; they do not yet wait for each other.

    Raises:
        UserError: a memory that is too small.
    """
    write = conv_instructions if isinstance(task, ConvTask) else element_instructions
    return write(task, chip, at)


def steps(tasks: tuple[Task, ...], placement: Placement, at: dict[str, int]) -> Iterator[tuple[Task, dict[str, int]]]:
    """Each task and where its parts lie; what a task makes for the next one is in the scratch map."""
    for index, task in enumerate(tasks):
        first = {} if index == 0 else {'input0': placement.scratch}
        last = {} if index == len(tasks) - 1 else {'output': placement.scratch}
        yield task, at | first | last


def copy_tasks(
    network: IntegerNetwork, op: Concat, placement: Placement, at: dict[str, int]
) -> Iterator[tuple[Task, dict[str, int]]]:
    """The copies of sources of a concatenation that lie elsewhere."""
    for name, start in placement.copies[op.name]:
        signed = network.formats[name].signed
        task = ElementTask(op.name, *map_shapes(network)[name], signed_in=signed, signed_out=signed)
        yield task, at | dict(input0=placement.starts[name], output=start)
