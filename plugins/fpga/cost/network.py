"""Cycles and bytes of a whole network: its program, and when each instruction begins and ends; nothing is simulated.

Loads, computes and stores run beside each other, also those of neighbouring layers. So a layer's cycles are those from
the last `Compute` of the layer before it to its own last one: they add up to those of the network. Ours.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace

from ..compiler.network import Task, network_program, network_tasks
from ..hardware.instructions import Compute, Instruction
from ..hardware.sizes import Sizes
from ..integers.integer_network import IntegerNetwork
from ..simulation.cycles import LATENCY, timeline
from ..simulation.traffic import bytes_by_part, cycles_by_part, task_program
from .layers import Layer, in_form, layers_of


@dataclass(frozen=True)
class Cost:
    """Of one image.

    Attributes:
        cycles: that it adds to the network.
        compute_cycles, load_cycles, store_cycles: in which each unit works.
        weight_bytes: fetched: weights or cores, biases, identities.
        in_bytes, out_bytes: of maps, fetched and written.
        macs: of the convolutions as they run; what rebuilds kernels is in the cycles only.
    """

    cycles: int = 0
    compute_cycles: int = 0
    load_cycles: int = 0
    store_cycles: int = 0
    weight_bytes: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    macs: int = 0

    @property
    def bytes(self) -> int:
        """All that moves between chip and memory outside."""
        return self.weight_bytes + self.in_bytes + self.out_bytes

    def __add__(self, other: 'Cost') -> 'Cost':
        return Cost(*map(sum, zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class LayerCost:
    """A layer and what it costs in one form."""

    layer: Layer
    cost: Cost


def costs_of(network: IntegerNetwork, form: str, sizes: Sizes, latency: int = LATENCY) -> list[LayerCost]:
    """Of every layer of a network in the form ``form``, one of layers.FORMS; what costs nothing is left out.

    Args:
        latency: cycles of a read of the memory outside.

    Raises:
        UserError: an unknown form, an operation that the accelerator cannot run, or memories that are too small.
    """
    layers = {layer.name: layer for layer in reversed(layers_of(network, sizes.n))}
    forms = in_form(network, form)
    running = replace(network, ops=tuple(op for ops in forms.values() for op in ops))
    compiled = network_program(running, sizes)
    tasks = network_tasks(compiled.lowered.network)
    parts = [(name, [x for op in ops for x in compiled.instructions[op.name]]) for name, ops in forms.items()]
    parts = [(name, code) for name, code in parts if code]
    times = iter(timeline([x for _, code in parts for x in code], sizes.n, latency))
    starts, costs, before = {'input': 0, 'weights': compiled.placement.words}, [], 0
    for index, (name, code) in enumerate(parts):
        spans = [next(times) for _ in code]
        counted = (
            spans
            if index == len(parts) - 1
            else [t for x, t in zip(code, spans, strict=True) if isinstance(x, Compute)]
        )
        end = max(before, *(t.end for t in counted))
        macs = sum(task.macs for op in forms[name] for task in tasks[op.name])
        cost = replace(code_cost(code, sizes, starts, latency), cycles=end - before, macs=macs)
        costs.append(LayerCost(layers[name], cost))
        before = end
    return costs


def code_cost(code: Iterable[Instruction], sizes: Sizes, starts: dict[str, int], latency: int = LATENCY) -> Cost:
    """Bytes of instructions and the cycles of the units; ``starts``: first word of each part of the memory outside."""
    spent: Counter[str] = cycles_by_part(code, sizes.n, starts, latency)
    moved = bytes_by_part(code, sizes.n, starts)
    return Cost(
        0, spent['compute'] + spent['rebuild'], spent['load weights'] + spent['load maps'], spent['store'],
        moved['load weights'], moved['load maps'], moved['store'],
    )  # fmt: skip


def task_cost(task: Task, sizes: Sizes) -> Cost:
    """Of one task anywhere in a network: its cycles are those of the unit that works longest, an estimate.

    Raises:
        UserError: memories that are too small.
    """
    code, starts = task_program(task, sizes)
    cost = code_cost(code, sizes, starts)
    return replace(cost, cycles=max(cost.compute_cycles, cost.load_cycles, cost.store_cycles), macs=task.macs)


def network_cost(costs: Iterable[LayerCost], convs: bool = True, elements: bool = True) -> Cost:
    """The sum over layers; without convolutions, or without element-wise work, where so asked."""
    return total(x.cost for x in costs if (convs if x.layer.is_conv else elements))


def total(costs: Iterable[Cost]) -> Cost:
    """The sum."""
    return sum(costs, Cost())
