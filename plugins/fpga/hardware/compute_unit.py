"""Runs one `Compute`: sequencer, array, accumulators, requantiser and addition of a residual in a row. Ours.

Stages, n the latency of the array: -1 the sequencer; 0 addresses; 1 words of the memories, in registers at 2; 3
activations at the array; n address of the sum; n + 1 old sum and bias, in registers at n + 2; n + 3 the one that is
added and the sums of the array; n + 4 new sum; n + 7 result; n + 9 out of the table; n + 10 with the residual added;
n + 13 final result. A sum is read again a pass later, at n + 5 at the earliest: after it was written.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import Component, In, Out

from .delay import delayed
from .instructions import TABLE_WORDS, TABLES, Compute, Memory, widths
from .limits import BIAS_BITS as SHIFT_PLACE
from .look_up import LookUp
from .mac_array import MacArray, latency
from .requantiser import Requantiser
from .sequencer import BIAS_BITS, Sequencer
from .sizes import ADDRESS_BITS

RESIDUAL_SUM_BITS = 10  # two numbers of 8 bits, with or without sign
TERM_BITS = 9  # of the terms of which the largest is taken: activations times 1


def drain_cycles(n: int) -> int:
    """From the end of ``busy`` until the last result is in a memory."""
    return latency(n) + 15


class ComputeUnit(Component):
    """Ports of memories, whose words come two cycles after their addresses, and ``start`` and ``busy``.

    ``busy`` until the last pixel was given out; the next `Compute` may begin then, and the results of this one are
    written `drain_cycles` later. Results go to the memory that ``target`` names.
    """

    def __init__(self, n: int, paired: bool = False, poisoned: bool = False):
        self.n, self.paired, self.poisoned = n, paired, poisoned
        word, sums = ArrayLayout(unsigned(8), n), ArrayLayout(signed(32), n)
        super().__init__(
            {
                'compute': In(StructLayout(widths(Compute))),
                'start': In(1),
                'busy': Out(1),
                'source': Out(ADDRESS_BITS),
                'source_word': In(word),
                'weights': Out(ADDRESS_BITS),
                'weights_word': In(ArrayLayout(signed(8), n)),
                'bias': Out(BIAS_BITS),
                'bias_word': In(sums),
                'sum': Out(ADDRESS_BITS),
                'sum_bank': Out(1),
                'sum_word': In(sums),
                'sum_write': Out(1),
                'sum_to': Out(ADDRESS_BITS),
                'sum_to_bank': Out(1),
                'new_sums': Out(sums),
                'residual': Out(ADDRESS_BITS),
                'residual_word': In(word),
                'result_write': Out(2),  # one bit a memory: results, weights
                'result_to': Out(ADDRESS_BITS),
                'result_word': Out(word),
                'table_write': In(1),
                'table_to': In(range(TABLES * TABLE_WORDS)),
                'table_word': In(word),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.sequencer = sequencer = Sequencer(self.n)
        m.submodules.array = array = MacArray(self.n, self.paired)
        m.submodules.requantiser = requantiser = Requantiser(self.n)
        m.submodules.look_up = look_up = LookUp(self.n, self.poisoned)
        m.submodules.adder = adder = Requantiser(self.n, RESIDUAL_SUM_BITS)
        m.d.comb += [
            sequencer.compute.eq(self.compute),
            sequencer.start.eq(self.start),
            self.busy.eq(sequencer.running),
            self.source.eq(sequencer.source),
            self.weights.eq(sequencer.weights),
        ]
        self._feed(m, sequencer, array)
        early = delayed(m, sequencer.tag, array.latency)
        m.d.comb += [self.bias.eq(early.bias), self.sum.eq(early.sum), self.sum_bank.eq(early.compute.bank)]
        word = delayed(m, early, 2)
        self._accumulate(m, array, word)
        for shift, entry in zip(requantiser.shifts, self.bias_word, strict=True):
            m.d.sync += shift.eq(Mux(word.compute.use_bias, entry.as_unsigned()[SHIFT_PLACE:], word.compute.shift))
        term = delayed(m, word, 1)
        tag = delayed(m, term, 1)
        m.d.comb += [
            self.sum_write.eq(tag.valid),
            self.sum_to.eq(tag.sum),
            self.sum_to_bank.eq(tag.compute.bank),
            requantiser.sums.eq(self.new_sums),
            requantiser.signed.eq(term.compute.signed_out),
            requantiser.wide.eq(term.compute.look_up),
            look_up.write.eq(self.table_write),
            look_up.to.eq(self.table_to),
            look_up.word.eq(self.table_word),
            look_up.source.eq(requantiser.results),
        ]
        m.d.sync += self.residual.eq(tag.result + tag.compute.residual)
        tag = delayed(m, tag, requantiser.latency)
        m.d.comb += [look_up.enable.eq(tag.compute.look_up), look_up.table.eq(tag.compute.table)]
        tag = delayed(m, tag, look_up.latency)
        self._add(m, look_up, adder, tag)
        self._write(m, adder, delayed(m, tag, 1 + adder.latency))
        return m

    def _feed(self, m: Module, sequencer: Sequencer, array: MacArray) -> None:
        """Words of the memories into the array, or what is outside of the map."""
        c = sequencer.tag.compute
        inside, outside, sign = (delayed(m, signal, 2) for signal in (sequencer.inside, c.outside, c.signed_in))
        for activation, word in zip(array.activations, self.source_word, strict=True):
            byte = Mux(inside, word, outside)
            m.d.sync += activation.eq(Cat(byte, sign & byte[7]).as_signed())
        m.d.comb += [
            array.weights.eq(delayed(m, self.weights_word, 1)),
            array.row.eq(delayed(m, sequencer.row, 3)),
            array.load.eq(delayed(m, sequencer.load, 3)),
            array.swap.eq(delayed(m, sequencer.swap, 3)),
        ]

    def _accumulate(self, m: Module, array: MacArray, word) -> None:
        """The new sum: term + bias, term + old sum, or the larger of term and old sum; ``word``: the old sum's tag."""
        largest = delayed(m, word.compute.largest & ~word.first, 1)
        for lane in range(self.n):
            old, bias = self.sum_word[lane], self.bias_word[lane][:SHIFT_PLACE].as_signed()
            addend = Signal(signed(32), name='addend', reset_less=True)
            m.d.sync += addend.eq(Mux(word.first, Mux(word.compute.use_bias, bias, 0), old))
            term, before = (value[:TERM_BITS].as_signed() for value in (array.sums[lane], addend))
            larger = Mux(term > before, term, before)
            m.d.sync += self.new_sums[lane].eq(Mux(largest, larger, array.sums[lane] + addend))

    def _add(self, m: Module, look_up: LookUp, adder: Requantiser, tag) -> None:
        """Results and residuals into the second rounding."""
        c = tag.compute
        residuals = delayed(m, self.residual_word.as_value(), look_up.latency)
        for lane in range(self.n):
            addends = []
            for byte in (look_up.results[lane], Mux(c.add, residuals.word_select(lane, 8), 0)):
                value = Signal(signed(9), name='addend')
                m.d.comb += value.eq(byte | Mux(c.signed_out & byte[7], -256, 0))
                addends.append(value)
            m.d.sync += adder.sums[lane].eq(addends[0] + addends[1])
            m.d.comb += adder.shifts[lane].eq(Mux(c.add, c.add_shift, 0))
        m.d.comb += [
            adder.signed.eq(Mux(c.add, c.signed_add, c.signed_out)),
        ]

    def _write(self, m: Module, adder: Requantiser, tag) -> None:
        results = tag.valid & tag.last
        m.d.comb += [
            self.result_write[0].eq(results & (tag.compute.target == Memory.RESULTS)),
            self.result_write[1].eq(results & (tag.compute.target == Memory.WEIGHTS)),
            self.result_to.eq(tag.result),
            *(byte.eq(result[:8]) for byte, result in zip(self.result_word, adder.results, strict=True)),
        ]
