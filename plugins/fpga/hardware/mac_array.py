"""The array of N x N int8 multipliers: N activations of one pixel x N x N weights -> N sums. Ours.

Column i of the array holds the weights of input channel i and receives everything i cycles later than column 0, so that
the sum of an output channel runs through the columns, one addition each, as the DSP blocks of an FPGA are wired. Each
GROUP of output channels receives everything a cycle later than the one before. The registers around a multiplier are
in multiplier.py.

``paired``: a DSP block with a multiplier of 25 x 18 bits makes two products, of the weights of two output channels with
one activation, as Xilinx' white paper WP486 packs them; its additions are then logic. Known from there; the numbers of
bits are ours.
"""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import ceil_log2

from .delay import delayed
from .multiplier import Multiplier

GROUP = 4  # output channels that share a register of the activation: more multipliers are too far from it
LOWER = 16  # bits of the lower product of a pair: -128 x 255 at least


def sum_bits(n: int) -> int:
    """Width of a sum of n products of 9 and 8 bits."""
    return 17 + ceil_log2(n)


def latency(n: int) -> int:
    """Cycles from the activations of a pixel to its sums."""
    return n + 1 + n // GROUP


class MacArray(Component):
    """A tile is loaded row by row into a second set of registers while the first is in use.

    ``row`` of ``weights`` is taken when ``load`` is 1: the N weights of output channel ``row``. ``swap`` comes with the
    first pixel that needs the new tile, after its last row and no later than the first row of the one after it.
    """

    def __init__(self, n: int, paired: bool = False):
        self.n, self.paired, self.latency = n, paired, latency(n)
        super().__init__(
            {
                'activations': In(ArrayLayout(signed(9), n)),
                'weights': In(ArrayLayout(signed(8), n)),
                'row': In(range(n)),
                'load': In(1),
                'swap': In(1),
                'sums': Out(ArrayLayout(signed(sum_bits(n)), n)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        control, running = (self.row, self.load, self.swap), [0] * self.n
        for i in range(self.n):
            inputs = (delayed(m, self.activations[i], i), delayed(m, self.weights[i], i), *control)
            for first in range(0, self.n, GROUP):
                outputs = range(first, first + GROUP)
                running[first : first + GROUP] = self._column(m, inputs, outputs, running[first : first + GROUP])
                inputs = tuple(delayed(m, signal, 1) for signal in inputs)
            control = tuple(delayed(m, signal, 1) for signal in control)
        for o, (out, value) in enumerate(zip(self.sums, running, strict=True)):
            m.d.comb += out.eq(delayed(m, value, (self.n - 1 - o) // GROUP))
        return m

    def _column(self, m: Module, inputs, outputs: range, running: list) -> list:
        """The running sums of the output channels ``outputs`` after this column."""
        activation, weight, row, load, swap = inputs
        weights, results = [], []
        for o in outputs:
            waiting = Signal(signed(8), reset_less=True)
            with m.If(load & (row == o)):
                m.d.sync += waiting.eq(weight)
            weights.append(waiting)
        products = (self._pairs if self.paired else self._each)(m, activation, weights, swap)
        for before, product in zip(running, products, strict=True):
            total = Signal(signed(sum_bits(self.n)), reset_less=True)
            m.d.sync += total.eq(before + product)
            results.append(total)
        return results

    @staticmethod
    def _each(m: Module, activation, waiting: list, swap) -> list:
        """Products, each of a multiplier of its own, two cycles later."""
        return [_product(m, activation, weight, 8, swap) for weight in waiting]

    @staticmethod
    def _pairs(m: Module, activation, waiting: list, swap) -> list:
        """The same, two of a multiplier: (upper * 2 ** LOWER + lower) * activation, cut in two.

        A lower product below 0 has borrowed one from the upper one.
        """
        products = []
        for lower, upper in zip(waiting[::2], waiting[1::2], strict=True):
            both = _product(m, activation, (upper << LOWER) + lower, 9 + LOWER, swap)
            products += [both[:LOWER].as_signed(), both[LOWER:].as_signed() + both[LOWER - 1]]
        return products


def _product(m: Module, activation, weight, bits: int, swap):
    multiplier = Multiplier(bits)
    m.submodules += multiplier
    m.d.comb += [
        multiplier.activation.eq(activation),
        multiplier.weight.eq(weight),
        multiplier.take.eq(swap),
    ]
    return multiplier.product
