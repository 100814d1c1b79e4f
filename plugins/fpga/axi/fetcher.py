"""Fetches instructions from the memory outside, the next one while one runs. Ours."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.wiring import Component, In, Out

from ..hardware.instructions import INSTRUCTION_BITS, KIND_BITS, KINDS
from .bus import Bus


class Fetcher(Component):
    """Ports.

    start: fetch ``count`` instructions from byte ``base``; busy until the last one is taken.
    run, run_ready, address: asks for the words of an instruction. word, data: they come, in order.
    valid, ready, code: an instruction for the accelerator. bad: its bits are no instruction; it is not valid then.
    """

    def __init__(self, bus: Bus):
        self.bus = bus
        super().__init__(
            {
                'start': In(1),
                'base': In(bus.address_bits),
                'count': In(32),
                'busy': Out(1),
                'run': Out(1),
                'run_ready': In(1),
                'address': Out(bus.address_bits),
                'word': In(1),
                'data': In(8 * bus.word),
                'valid': Out(1),
                'ready': In(1),
                'code': Out(INSTRUCTION_BITS),
                'bad': Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m, words, bits = Module(), self.bus.instruction_words, 8 * self.bus.word
        code, left, index, complete = Signal(words * bits), Signal(32), Signal(range(words)), Signal()
        known = code[:KIND_BITS] < len(KINDS)
        m.d.comb += [
            self.code.eq(code),
            self.valid.eq(complete & known),
            self.bad.eq(complete & ~known),
        ]
        with m.If(self.start):
            m.d.sync += [left.eq(self.count), self.address.eq(self.base), self.busy.eq(self.count != 0)]
            m.d.sync += [self.run.eq(self.count != 0), complete.eq(0), index.eq(0)]
        with m.Else():
            with m.If(self.run & self.run_ready):
                m.d.sync += [self.run.eq(0), self.address.eq(self.address + words * self.bus.word)]
            with m.If(self.word):
                m.d.sync += [code.eq(Cat(code, self.data)[bits:]), complete.eq(index == words - 1)]
                m.d.sync += index.eq(index + 1)
            with m.If(self.valid & self.ready):
                m.d.sync += [complete.eq(0), index.eq(0), left.eq(left - 1)]
                m.d.sync += [self.busy.eq(left != 1), self.run.eq(left != 1)]
        return m
