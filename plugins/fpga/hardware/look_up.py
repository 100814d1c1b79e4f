"""Activations by a table: a sum of INDEX_BITS is the address of its result, 1024 bytes for every lane. Ours.

There are two tables, so that the next one is loaded while one is in use; both fill one block memory of 18 Kbit.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import Component, In, Out

from .block_ram import block_ram
from .delay import delayed
from .instructions import TABLE_WORDS, TABLES
from .limits import INDEX_BITS


class LookUp(Component):
    """``results`` are of ``source`` LATENCY = 2 cycles before: out of ``table``, without ``enable`` its lowest 8 bits.

    A word of N bytes is written to ``to``, a byte for each lane.
    """

    latency = 2

    def __init__(self, n: int, poisoned: bool = False):
        self.poisoned = poisoned
        word = ArrayLayout(unsigned(8), n)
        super().__init__(
            {
                'write': In(1),
                'to': In(range(TABLES * TABLE_WORDS)),
                'word': In(word),
                'enable': In(1),
                'table': In(range(TABLES)),
                'source': In(ArrayLayout(unsigned(INDEX_BITS), n)),
                'results': Out(word),
            }
        )

    def elaborate(self, platform) -> Module:
        m, enable = Module(), Signal()
        m.d.sync += enable.eq(self.enable)
        for lane, (source, result) in enumerate(zip(self.source, self.results, strict=True)):
            write, read, word = block_ram(m, f'lane{lane}', 8, TABLES * TABLE_WORDS, poisoned=self.poisoned)
            m.d.comb += [
                write.en.eq(self.write),
                write.addr.eq(self.to),
                write.data.eq(self.word[lane]),
                read.addr.eq(Cat(source, self.table)),
            ]
            m.d.sync += result.eq(Mux(enable, word, delayed(m, source[:8], 1)))
        return m
