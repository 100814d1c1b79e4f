"""Runs one `Load`: a word a cycle from the memory outside to a memory on the chip. Ours.

One nest of loops requests the runs outside, one after another and ahead of their words; the other one follows the words
on the chip, which come in the order of the requests at any time.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from .instructions import DDR_BITS, Load, widths
from .loop_nest import LoopNest
from .sizes import ADDRESS_BITS


class LoadUnit(Component):
    """Ports.

    request, address: asks for the run of ``load.words`` words at ``address``; held until request_ready.
    chip: of the next word. loaded: it goes there in this cycle, which ``word_valid`` brought.
    """

    def __init__(self):
        super().__init__(
            {
                'load': In(StructLayout(widths(Load))),
                'start': In(1),
                'busy': Out(1),
                'request': Out(1),
                'request_ready': In(1),
                'address': Out(DDR_BITS),
                'chip': Out(ADDRESS_BITS),
                'word_valid': In(1),
                'loaded': Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m, x, active, accepted = Module(), self.load, Signal(), Signal()
        runs = LoopNest(m, [x.runs], self.start, accepted)
        words = LoopNest(m, [x.runs, x.words], self.start, self.loaded)
        m.d.comb += [
            accepted.eq(self.request & self.request_ready),
            self.loaded.eq(active & self.word_valid),
            self.busy.eq(active | self.request),
            self.address.eq(runs.pointer(x.ddr, [x.ddr_step], DDR_BITS, 'address')),
            self.chip.eq(words.pointer(x.start, [x.step, 1], ADDRESS_BITS, 'chip_address')),
        ]
        with m.If(self.start):
            m.d.sync += [active.eq(1), self.request.eq(1)]
        with m.Else():
            m.d.sync += [
                active.eq(active & ~(self.loaded & words.ends[0])),
                self.request.eq(self.request & ~(accepted & runs.ends[0])),
            ]
        return m
