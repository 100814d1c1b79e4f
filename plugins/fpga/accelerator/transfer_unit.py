"""Runs one `Load` or `Store`: a word a cycle between the memory outside and a memory on the chip. Ours.

Two nests of loops: one asks for words, the other puts the answers away, which come in order after any time.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from .instructions import DDR_BITS, Transfer, widths
from .loop_nest import LoopNest


class TransferUnit(Component):
    """``asking`` for the word at ``ask``; ``answered`` when a word comes, which belongs to address ``put``."""

    def __init__(self):
        super().__init__(
            {
                'transfer': In(StructLayout(widths(Transfer))),
                'store': In(1),
                'start': In(1),
                'busy': Out(1),
                'asking': Out(1),
                'ask': Out(DDR_BITS),
                'answered': In(1),
                'put': Out(DDR_BITS),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        t = self.transfer
        chip, outside = (t.start, t.step), (t.ddr, t.ddr_step)
        asks = LoopNest(m, [t.runs, t.words], self.start, self.asking)
        answers = LoopNest(m, [t.runs, t.words], self.start, self.busy & self.answered)
        m.d.comb += [
            self.ask.eq(self._pointer(asks, outside, chip, 'ask_address')),
            self.put.eq(self._pointer(answers, chip, outside, 'put_address')),
        ]
        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), self.asking.eq(1)]
        with m.Else():
            m.d.sync += [
                self.asking.eq(self.asking & ~asks.ends[0]),
                self.busy.eq(self.busy & ~(self.answered & answers.ends[0])),
            ]
        return m

    def _pointer(self, nest: LoopNest, of_load, of_store, name: str) -> Signal:
        base, step = (Mux(self.store, b, a) for a, b in zip(of_load, of_store, strict=True))
        return nest.pointer(base, [step, 1], DDR_BITS, name)
