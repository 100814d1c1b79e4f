"""Activations by a table: a result of 8 bits is the address of another one, 256 bytes for every lane. Ours."""

from amaranth.hdl import Module, Mux, unsigned
from amaranth.lib.data import ArrayLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from .delay import delayed
from .instructions import TABLE_WORDS


class LookUp(Component):
    """``results`` are those of ``source`` LATENCY = 1 cycle before: out of the table, or as they are.

    A word of N bytes is written to ``to``, a byte for each lane.
    """

    latency = 1

    def __init__(self, n: int):
        word = ArrayLayout(unsigned(8), n)
        super().__init__(
            {
                'write': In(1),
                'to': In(range(TABLE_WORDS)),
                'word': In(word),
                'enable': In(1),
                'source': In(word),
                'results': Out(word),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        for lane, (source, result) in enumerate(zip(self.source, self.results, strict=True)):
            m.submodules[f'lane{lane}'] = table = Memory(shape=unsigned(8), depth=TABLE_WORDS, init=[])
            write, read = table.write_port(), table.read_port()
            m.d.comb += [
                write.en.eq(self.write),
                write.addr.eq(self.to),
                write.data.eq(self.word[lane]),
                read.addr.eq(source),
                result.eq(Mux(self.enable, read.data, delayed(m, source, 1))),
            ]
        return m
