"""From sums to few bits: division by a power of two a lane, halves to the even neighbour, clip. Ours."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
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
        reach = 1 << (INDEX_BITS - 1)
        low, high = Mux(wide, -reach, Mux(sign, -128, 0)), Mux(wide, reach - 1, Mux(sign, 127, 255))
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
            m.d.sync += result.eq(Mux(rounded < low, low, Mux(rounded > high, high, rounded)))
        return m
