"""Runs one `Store`: a word a cycle from a memory on the chip to the memory outside. Ours.

It ends when all its words have been written outside, so that a `Load` that waits for it reads them.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from .instructions import DDR_BITS, Store, widths
from .loop_nest import LoopNest
from .sizes import ADDRESS_BITS

PARTS = ('active', 'reading', 'read', 'kept', 'left', 'accepted')


class StoreUnit(Component):
    """Ports.

    request, address, request_words: asks for a run of request_words + 1 words at ``address``; held until request_ready.
    chip: of the next word. read_enable, keep_enable, give_enable: of the memory, of the register behind it, and of that
    of the word that is given out. stored: one is there, until stored_ready.
    written: no run that was asked for is still to be written.
    """

    def __init__(self):
        super().__init__(
            {
                'store': In(StructLayout(widths(Store))),
                'start': In(1),
                'busy': Out(1),
                'request': Out(1),
                'request_ready': In(1),
                'address': Out(DDR_BITS),
                'request_words': Out(ADDRESS_BITS),
                'chip': Out(ADDRESS_BITS),
                'read_enable': Out(1),
                'keep_enable': Out(1),
                'give_enable': Out(1),
                'stored': Out(1),
                'stored_ready': In(1),
                'written': In(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m, x = Module(), self.store
        active, reading, read, kept, left, accepted = (Signal(name=name) for name in PARTS)
        runs = LoopNest(m, [x.runs], self.start, accepted)
        words = LoopNest(m, [x.runs, x.words, x.twice], self.start, reading & self.read_enable)
        m.d.comb += [
            accepted.eq(self.request & self.request_ready),
            self.give_enable.eq(~self.stored | self.stored_ready),
            self.keep_enable.eq(~kept | self.give_enable),
            self.read_enable.eq(~read | self.keep_enable),
            self.busy.eq(active | self.request),
            self.address.eq(runs.pointer(x.ddr, [x.ddr_step], DDR_BITS, 'address')),
            self.request_words.eq(Mux(x.twice, (x.words << 1) | 1, x.words)),
            self.chip.eq(words.pointer(x.start, [x.step, 1, 0], ADDRESS_BITS, 'chip_address')),
        ]
        with m.If(self.start):
            m.d.sync += [active.eq(1), self.request.eq(1), reading.eq(1), left.eq(0)]
        with m.Else():
            m.d.sync += [
                active.eq(active & ~(left & self.written & ~self.request)),
                self.request.eq(self.request & ~(accepted & runs.ends[0])),
                reading.eq(reading & ~(self.read_enable & words.ends[0])),
                left.eq(left | (self.stored & self.stored_ready & ~reading & ~read & ~kept)),
            ]
        with m.If(self.read_enable):
            m.d.sync += read.eq(reading)
        with m.If(self.keep_enable):
            m.d.sync += kept.eq(read)
        with m.If(self.give_enable):
            m.d.sync += self.stored.eq(kept)
        return m
