"""Parts of a network: what goes into the project when the whole does not, and the rest, computed in numpy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detplug.errors import UserError

from ..integers.integer_network import IntegerNetwork, Op, run_op
from .reuse import multiplications


@dataclass(frozen=True)
class Share:
    """How much of a network a part is: convolutions, and their multiplications, 0 .. 1 each."""

    layers: float
    macs: float


def first_part(network: IntegerNetwork, ends: Sequence[str]) -> IntegerNetwork:
    """What the maps ``ends`` are made of; they are its outputs.

    Raises:
        UserError: no such map, or none named.
    """
    known = {op.name for op in network.ops}
    unknown = [name for name in ends if name not in known]
    if unknown or not ends:
        raise UserError(f'cut: {", ".join(unknown) or "no map"}: not made by the network; name one of its maps')
    needed = set(ends)
    for op in reversed(network.ops):
        if op.name in needed:
            needed |= set(op.sources)
    return part_of(network, tuple(op for op in network.ops if op.name in needed), tuple(ends))


def largest_part(network: IntegerNetwork, takes: Callable[[Op], bool]) -> IntegerNetwork:
    """All operations that ``takes`` accepts and that read accepted ones only; outputs are what the rest reads.

    Raises:
        UserError: nothing is accepted.
    """
    inside = {network.input}
    for op in network.ops:
        if inside.issuperset(op.sources) and takes(op):
            inside.add(op.name)
    ops = tuple(op for op in network.ops if op.name in inside)
    read = {name for op in network.ops if op.name not in inside for name in op.sources} | set(network.outputs)
    if not ops:
        raise UserError(f'cut: {network.ops[0].name if network.ops else "network"}: no operation is taken; use no cut')
    return part_of(network, ops, tuple(op.name for op in ops if op.name in read))


def part_of(network: IntegerNetwork, ops: tuple[Op, ...], outputs: tuple[str, ...]) -> IntegerNetwork:
    """The same input, fewer operations."""
    return IntegerNetwork(network.input, network.input_format, network.input_shape, ops, outputs)


def finish(network: IntegerNetwork, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The network's outputs from maps that a part has made, and the input if the rest reads it.

    Args:
        given: (N, C, H, W) integers by name.
    """
    needed, ops = set(network.outputs) - set(given), []
    for op in reversed(network.ops):
        if op.name in needed:
            ops.append(op)
            needed |= set(op.sources) - set(given)
    maps = {name: value.astype(np.int64) for name, value in given.items()}
    for op in reversed(ops):
        maps[op.name] = run_op(op, [maps[name] for name in op.sources], [network.formats[name] for name in op.sources])
    return {name: maps[name] for name in network.outputs}


def share(part: IntegerNetwork, whole: IntegerNetwork) -> Share:
    """Of ``whole`` that is in ``part``."""
    inside, total = multiplications(part), multiplications(whole)
    macs = sum(layer.macs for layer in total.values())
    return Share(
        len(inside) / len(total) if total else 0.0,
        sum(layer.macs for layer in inside.values()) / macs if macs else 0.0,
    )
