"""A whole integer network as one program: layer after layer, maps between them in the memory outside. Ours."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from ..hardware.instructions import Instruction
from ..hardware.sizes import Sizes
from ..integers.integer_network import Concat, Conv, IntegerNetwork, Op
from ..integers.map_shapes import map_shapes
from .convolution import conv_instructions
from .elementwise import ElementTask, element_instructions, element_task, identity_words
from .layout import blocks, map_of_words, map_words, sums_of_words
from .lowering import Lowered, lower
from .placement import Placement, place_maps
from .program import Program, weight_images
from .task import ConvTask, conv_task

Task = ConvTask | ElementTask


def network_tasks(network: IntegerNetwork) -> dict[str, tuple[Task, ...]]:
    """Tasks of every operation of a lowered network, none of a concatenation (its copies are not counted)."""
    return {op.name: (op_task(network, op),) if not isinstance(op, Concat) else () for op in network.ops}


def op_task(network: IntegerNetwork, op: Op) -> Task:
    """The task of an operation of a lowered network."""
    source, (channels, rows, cols) = op.sources[0], map_shapes(network)[op.sources[0]]
    if not isinstance(op, Conv):
        return element_task(op, network.formats[source], channels, rows, cols)
    return conv_task(op, network.formats[source], rows, cols)


@dataclass(frozen=True)
class NetworkProgram:
    """Of all images.

    Attributes:
        lowered: what runs in its place.
        instructions: of each operation by name.
        constants: (words, N) uint8, weights, cores and biases, behind the maps in the memory outside.
    """

    network: IntegerNetwork
    lowered: Lowered
    sizes: Sizes
    placement: Placement
    instructions: dict[str, tuple[Instruction, ...]]
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
        """(C, H, W) int64, a map by name, of the memory outside at the end."""
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
    placement, constants, instructions = place_maps(network, sizes.n), [identity_words(sizes.n)], {}
    words = placement.words + sizes.n
    for op in network.ops:
        at = dict(weights=placement.words, output=placement.starts[op.name])
        if isinstance(op, Conv):
            for part, image in weight_images(op, network.formats[op.sources[0]], sizes.n).items():
                constants.append(image.reshape(-1, sizes.n))
                at[part] = words
                words += len(constants[-1])
            at['input'] = placement.starts[op.sources[0]]
        at |= {f'input{index}': placement.starts[name] for index, name in enumerate(op.sources)}
        instructions[op.name] = tuple(op_instructions(network, op, sizes, placement, at))
    return NetworkProgram(source, lowered, sizes, placement, instructions, np.concatenate(constants))


def op_instructions(network: IntegerNetwork, op: Op, sizes: Sizes, placement: Placement, at) -> Iterator[Instruction]:
    """Of one operation of a lowered network; of a concatenation the copies of sources that lie elsewhere."""
    if not isinstance(op, Concat):
        task = op_task(network, op)
        write = conv_instructions if isinstance(op, Conv) else element_instructions
        yield from write(task, sizes, at)
        return
    for name, start in placement.copies[op.name]:
        form = network.formats[name]
        fields = dict(signed_in=form.signed, signed_out=form.signed)
        task = ElementTask(op.name, *map_shapes(network)[name], **fields)
        yield from element_instructions(task, sizes, at | dict(input0=placement.starts[name], output=start))
