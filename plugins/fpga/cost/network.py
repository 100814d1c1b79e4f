"""Cycles and bytes of a whole network: the instructions of every layer, counted; nothing is simulated. Ours."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass

from ..compiler.network import Task
from ..hardware.sizes import Sizes
from ..simulation.cycles import LATENCY
from ..simulation.traffic import bytes_by_part, cycles_by_part
from .layers import Layer


@dataclass(frozen=True)
class Cost:
    """Of one image.

    Attributes:
        compute_cycles: of the array, rebuilding included.
        transfer_cycles: of loads and stores, which wait for each other and for the array.
        weight_bytes: fetched: weights or cores, biases, identities.
        in_bytes, out_bytes: of maps, fetched and written.
        macs: of the convolutions as they run; what rebuilds kernels is in the cycles only.
    """

    compute_cycles: int = 0
    transfer_cycles: int = 0
    weight_bytes: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    macs: int = 0

    @property
    def cycles(self) -> int:
        """All of them, one instruction after another."""
        return self.compute_cycles + self.transfer_cycles

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


def costs_of(layers: Iterable[Layer], form: str, sizes: Sizes, latency: int = LATENCY) -> list[LayerCost]:
    """Of every layer in the form ``form``, one of layers.FORMS.

    Args:
        latency: cycles of a read of the memory outside.

    Raises:
        UserError: an unknown form, or memories that are too small for a layer.
    """
    return [LayerCost(layer, total(task_cost(task, sizes, latency) for task in layer.tasks(form))) for layer in layers]


def task_cost(task: Task, sizes: Sizes, latency: int = LATENCY) -> Cost:
    """Of one task.

    Raises:
        UserError: memories that are too small.
    """
    cycles: Counter[str] = cycles_by_part(task, sizes, latency)
    moved = bytes_by_part(task, sizes)
    compute = cycles['compute'] + cycles['rebuild']
    transfers = cycles.total() - compute
    return Cost(compute, transfers, moved['load weights'], moved['load maps'], moved['store'], task.macs)


def network_cost(costs: Iterable[LayerCost], convs: bool = True, elements: bool = True) -> Cost:
    """The sum over layers; without convolutions, or without element-wise work, where so asked."""
    return total(x.cost for x in costs if (convs if x.layer.is_conv else elements))


def total(costs: Iterable[Cost]) -> Cost:
    """The sum."""
    return sum(costs, Cost())
