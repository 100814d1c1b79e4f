"""From sums to few bits: division by a power of two a lane, halves to the even neighbour, clip. Ours."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import Component, In, Out

from .delay import delayed
from .limits import INDEX_BITS


class Requantiser(Component):
    """n values at once; ``results`` are LATENCY = 3 cycles behind ``sums``; ``shifts``, ``signed`` and ``wide`` come
    one cycle before them. Results have 8 bits, ``wide`` ones INDEX_BITS and a sign."""

    latency = 3  # shift, round, clip

    def __init__(self, n: int, bits: int = 32):
        self.bits = bits  # of a sum
        super().__init__(
            {
                'sums': In(ArrayLayout(signed(bits), n)),
                'shifts': In(ArrayLayout(unsigned(5), n)),
                'signed': In(1),
                'wide': In(1),
                'results': Out(ArrayLayout(unsigned(INDEX_BITS), n)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        sign, wide = delayed(m, self.signed, self.latency), delayed(m, self.wide, self.latency)
        for total, early, result in zip(self.sums, self.shifts, self.results, strict=True):
            shift = Signal(5, reset_less=True)
            below_half = Signal(self.bits - 1, reset_less=True)  # bits of a sum below the first that is cut off
            m.d.sync += [shift.eq(early), below_half.eq(((1 << early) - 1) >> 1)]
            shifted = Signal(signed(self.bits + 1))  # the quotient, and below it the first bit that is cut off
            whole, half, rest = Signal(signed(self.bits), reset_less=True), Signal(), Signal()
            m.d.comb += shifted.eq(Cat(0, total).as_signed() >> shift)
            m.d.sync += [whole.eq(shifted >> 1), half.eq(shifted[0]), rest.eq((total & below_half).any())]
            rounded = Signal(signed(self.bits + 1), reset_less=True)
            m.d.sync += rounded.eq(whole + (half & (rest | whole[0])))
            m.d.sync += result.eq(clipped(rounded, sign, wide))
        return m


def clipped(x: Signal, sign: Value, wide: Value) -> Value:
    """``x`` within INDEX_BITS where it is ``wide``, otherwise within 8 bits, with or without ``sign``.

    A few gates in place of comparisons with bounds: whether the bits above the result are all alike. The bits above the
    8 of a result that is not wide mean nothing.
    """
    negative, middle, top = x[-1], x[7 : INDEX_BITS - 1], x[INDEX_BITS - 1 : -1]
    over = ~negative & (top.any() | ~wide & (middle[1:].any() | sign & middle[0]))
    under = negative & (~top.all() | ~wide & ~(sign & middle.all()))
    low = Cat(*[0] * 7, ~wide & sign, *[0] * (INDEX_BITS - 9), wide)
    high = Cat(*[1] * 7, wide | ~sign, *[1] * (INDEX_BITS - 9), ~wide)
    return Mux(over, high, Mux(under, low, x[:INDEX_BITS]))
