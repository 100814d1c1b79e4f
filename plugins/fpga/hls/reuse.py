"""How often each multiplier of a convolution is used again, so that all multipliers fit on the device.

In a stream all layers run at the same time, so one image takes as long as the slowest layer: an image's interval is
the largest ``pixels * reuse`` of all layers, in cycles. Of all choices within the budget of DSPs the one with the
smallest interval is taken, and of these the one with the fewest DSPs (ours). The rule of what hls4ml takes (strategy
Resource): a reuse factor divides the inputs of a sum, or is all of them times a divisor of the outputs.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from detplug.errors import UserError

from ..integers.integer_network import Conv, IntegerNetwork
from ..integers.map_shapes import map_shapes


@dataclass(frozen=True)
class Multiplications:
    """The work of one convolution.

    Attributes:
        inputs: products in one sum, I kh kw.
        outputs: sums at one pixel, O.
        pixels: of the output map, H' W'.
    """

    inputs: int
    outputs: int
    pixels: int

    @property
    def macs(self) -> int:
        """Multiplications an image."""
        return self.inputs * self.outputs * self.pixels

    def dsps(self, reuse: int) -> int:
        """Multiplications at the same time: one DSP each."""
        return self.inputs * self.outputs // reuse

    def legal(self) -> list[int]:
        """All reuse factors that hls4ml takes as they are, ascending."""
        return divisors(self.inputs) + [self.inputs * d for d in divisors(self.outputs)[1:]]


def divisors(number: int) -> list[int]:
    """All divisors, ascending."""
    return [d for d in range(1, number + 1) if number % d == 0]


def multiplications(network: IntegerNetwork) -> dict[str, Multiplications]:
    """Of every convolution of a network, by name."""
    shapes = map_shapes(network)
    return {
        op.name: Multiplications(op.weight[0].size, len(op.weight), shapes[op.name][1] * shapes[op.name][2])
        for op in network.ops
        if isinstance(op, Conv)
    }


def reuse_factors(layers: Mapping[str, Multiplications], dsp_budget: int) -> dict[str, int]:
    """The reuse factor of each layer: smallest interval within the budget.

    Raises:
        UserError: even one DSP a layer is too many.
    """
    if len(layers) > dsp_budget:
        raise UserError(f'dsp_budget: {dsp_budget}: {len(layers)} layers need a DSP each; give more DSPs')
    if not layers:
        return {}
    legal = {name: layer.legal() for name, layer in layers.items()}
    intervals = sorted({layer.pixels * reuse for name, layer in layers.items() for reuse in legal[name]})

    def choice(interval: int) -> dict[str, int] | None:
        places = {name: bisect_right(legal[name], interval // layer.pixels) for name, layer in layers.items()}
        return {name: legal[name][place - 1] for name, place in places.items()} if all(places.values()) else None

    def fits(interval: int) -> bool:
        chosen = choice(interval)
        return chosen is not None and sum(layers[name].dsps(reuse) for name, reuse in chosen.items()) <= dsp_budget

    low, high = 0, len(intervals) - 1  # the last interval, one DSP a layer, fits
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(intervals[middle]) else (middle + 1, high)
    return choice(intervals[low])
