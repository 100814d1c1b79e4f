"""Runs one `Load` or `Store`: a word a cycle between the memory outside and a memory on the chip. Ours.

One nest of loops requests the runs outside, one after another and ahead of their words; the other one follows the words
on the chip. Words come, or are taken, in the order of the requests at any time.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from .instructions import DDR_BITS, Transfer, widths
from .loop_nest import LoopNest
from .sizes import ADDRESS_BITS


class TransferUnit(Component):
    """Ports.

    request, address: asks for the run of ``transfer.words`` words at ``address``; held until request_ready.
    chip: of the next word. loaded: a word from outside goes there in this cycle, which ``word_valid`` brought.
    read_enable, keep_enable: of the memory that is stored from and of the register behind it. stored: a word is in the
    register, until stored_ready.
    """

    def __init__(self):
        super().__init__(
            {
                'transfer': In(StructLayout(widths(Transfer))),
                'store': In(1),
                'start': In(1),
                'busy': Out(1),
                'request': Out(1),
                'request_ready': In(1),
                'address': Out(DDR_BITS),
                'chip': Out(ADDRESS_BITS),
                'word_valid': In(1),
                'loaded': Out(1),
                'read_enable': Out(1),
                'keep_enable': Out(1),
                'stored': Out(1),
                'stored_ready': In(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        t, active, reading, read, accepted = self.transfer, Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            accepted.eq(self.request & self.request_ready),
            self.keep_enable.eq(~self.stored | self.stored_ready),
            self.read_enable.eq(~read | self.keep_enable),
            self.loaded.eq(active & ~self.store & self.word_valid),
            self.busy.eq(active | self.request),
        ]
        runs = LoopNest(m, [t.runs], self.start, accepted)
        words = LoopNest(m, [t.runs, t.words], self.start, self.loaded | (reading & self.read_enable))
        m.d.comb += [
            self.address.eq(runs.pointer(t.ddr, [t.ddr_step], DDR_BITS, 'address')),
            self.chip.eq(words.pointer(t.start, [t.step, 1], ADDRESS_BITS, 'chip_address')),
        ]
        left = self.stored & self.stored_ready & ~reading & ~read
        with m.If(self.start):
            m.d.sync += [active.eq(1), self.request.eq(1), reading.eq(self.store)]
        with m.Else():
            m.d.sync += [
                active.eq(active & ~(self.loaded & words.ends[0]) & ~left),
                self.request.eq(self.request & ~(accepted & runs.ends[0])),
                reading.eq(reading & ~(self.read_enable & words.ends[0])),
            ]
        with m.If(self.read_enable):
            m.d.sync += read.eq(reading)
        with m.If(self.keep_enable):
            m.d.sync += self.stored.eq(read)
        return m
