"""Runs one `Compute`: sequencer, array, accumulators and requantiser in a row. Ours.

Stages, n the width of the array: -1 the sequencer; 0 addresses; 1 words of the memories; 2 activations at the array;
n + 1 address of the sum; n + 2 old sum and bias, in registers at n + 3, with the sums of the array; n + 4 new sum;
n + 7 result, n + 8 out of the table. A sum is read again n or more cycles later, at n + 1 + 4 at the earliest: after it
was written.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import Component, In, Out

from ..integers.limits import BIAS_BITS as SHIFT_PLACE
from .delay import delayed
from .instructions import TABLE_WORDS, Compute, Memory, widths
from .look_up import LookUp
from .mac_array import MacArray
from .requantiser import Requantiser
from .sequencer import BIAS_BITS, Sequencer
from .sizes import ADDRESS_BITS


def drain_cycles(n: int) -> int:
    """From the last pixel to its result in a memory."""
    return n + 9


class ComputeUnit(Component):
    """Ports of synchronous memories, those of sums and biases with a register behind, and ``start`` and ``busy``.

    Results go to the memory that ``target`` names.
    """

    def __init__(self, n: int):
        self.n = n
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
                'sum_word': In(sums),
                'sum_write': Out(1),
                'sum_to': Out(ADDRESS_BITS),
                'new_sums': Out(sums),
                'result_write': Out(2),  # one bit a memory: activations, weights
                'result_to': Out(ADDRESS_BITS),
                'result_word': Out(word),
                'table_write': In(1),
                'table_to': In(range(TABLE_WORDS)),
                'table_word': In(word),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.sequencer = sequencer = Sequencer(self.n)
        m.submodules.array = array = MacArray(self.n)
        m.submodules.requantiser = requantiser = Requantiser(self.n)
        m.submodules.look_up = look_up = LookUp(self.n)
        m.d.comb += [
            sequencer.compute.eq(self.compute),
            sequencer.start.eq(self.start),
            self.source.eq(sequencer.source),
            self.weights.eq(sequencer.weights),
        ]
        self._feed(m, sequencer, array)
        early = delayed(m, sequencer.tag, array.latency)
        m.d.comb += [self.bias.eq(early.bias), self.sum.eq(early.sum)]
        tag = delayed(m, early, 2)
        self._accumulate(m, array, tag)
        for shift, entry in zip(requantiser.shifts, self.bias_word, strict=True):
            m.d.comb += shift.eq(Mux(self.compute.use_bias, entry.as_unsigned()[SHIFT_PLACE:], self.compute.shift))
        tag = delayed(m, tag, 1)
        m.d.comb += [
            self.sum_write.eq(tag.valid),
            self.sum_to.eq(tag.sum),
            requantiser.sums.eq(self.new_sums),
            requantiser.signed.eq(self.compute.signed_out),
            look_up.write.eq(self.table_write),
            look_up.to.eq(self.table_to),
            look_up.word.eq(self.table_word),
            look_up.enable.eq(self.compute.look_up),
            look_up.source.eq(requantiser.results),
        ]
        self._write(m, look_up, delayed(m, tag, requantiser.latency + look_up.latency))
        self._wait(m, sequencer)
        return m

    def _feed(self, m: Module, sequencer: Sequencer, array: MacArray) -> None:
        """Words of the memories into the array, or what is outside of the map."""
        inside, outside = delayed(m, sequencer.inside, 1), Cat(self.compute.outside for _ in range(self.n))
        m.d.sync += array.activations.as_value().eq(Mux(inside, self.source_word.as_value(), outside))
        m.d.comb += [
            array.signed.eq(self.compute.signed_in),
            array.weights.eq(self.weights_word),
            array.row.eq(delayed(m, sequencer.row, 1)),
            array.load.eq(delayed(m, sequencer.load, 1)),
            array.swap.eq(delayed(m, sequencer.swap, 1)),
        ]

    def _accumulate(self, m: Module, array: MacArray, tag) -> None:
        """The new sum: term + bias, term + old sum, or the larger one of term and old sum."""
        largest = self.compute.largest & ~tag.first
        for lane in range(self.n):
            term, old, bias = array.sums[lane], self.sum_word[lane], self.bias_word[lane][:SHIFT_PLACE].as_signed()
            addend = Mux(tag.first, Mux(self.compute.use_bias, bias, 0), old)
            before = old[: len(term)].as_signed()  # with ``largest`` no more than a term
            larger = Mux(term > before, term, before)
            m.d.sync += self.new_sums[lane].eq(Mux(largest, larger, term + addend))

    def _write(self, m: Module, look_up: LookUp, tag) -> None:
        results = tag.valid & tag.last
        m.d.comb += [
            self.result_write[0].eq(results & (self.compute.target == Memory.ACTIVATIONS)),
            self.result_write[1].eq(results & (self.compute.target == Memory.WEIGHTS)),
            self.result_to.eq(tag.result),
            self.result_word.eq(look_up.results),
        ]

    def _wait(self, m: Module, sequencer: Sequencer) -> None:
        """``busy`` until the last result is written."""
        draining = Signal(range(drain_cycles(self.n) + 1))
        with m.If(sequencer.running):
            m.d.sync += draining.eq(drain_cycles(self.n))
        with m.Elif(draining != 0):
            m.d.sync += draining.eq(draining - 1)
        m.d.comb += self.busy.eq(sequencer.running | (draining != 0))
