"""Reads runs of words over AXI: several bursts at once, beats made into words. Ours."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib.data import StructLayout
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import exact_log2

from ..hardware.sizes import ADDRESS_BITS
from .bursts import RUN_BITS, BurstCutter
from .bus import Bus

RUNS = 4  # that may wait for their words


def beats_of(m: Module, bus: Bus, address, words) -> Signal:
    """Beats that hold ``words`` + 1 words from byte ``address``."""
    beats, words = Signal(RUN_BITS), words + 1
    if bus.beat <= bus.word:
        m.d.comb += beats.eq(words << exact_log2(bus.word // bus.beat))
    else:
        lanes = bus.beat // bus.word
        m.d.comb += beats.eq((lane_of(bus, address) + words + (lanes - 1)) >> exact_log2(lanes))
    return beats


def lane_of(bus: Bus, address):
    """Which word of a beat byte ``address`` is, where a beat has several."""
    return address[exact_log2(bus.word) : exact_log2(bus.beat)]


class Reader(Component):
    """Ports.

    run, run_ready: a run of ``words`` + 1 words from byte ``address``, a multiple of a word, for ``owner``.
    word, data: of the runs in order; ``word`` has a bit for each owner; always taken.
    flush: drop everything; what the bus began is finished. idle: nothing is under way. error: an answer is not OKAY.
    ar..., r...: channels of AXI4.
    """

    def __init__(self, bus: Bus):
        self.bus = bus
        super().__init__(
            {
                'run': In(1),
                'run_ready': Out(1),
                'address': In(bus.address_bits),
                'words': In(ADDRESS_BITS),
                'owner': In(1),
                'word': Out(2),
                'data': Out(8 * bus.word),
                'flush': In(1),
                'idle': Out(1),
                'error': Out(1),
                'arvalid': Out(1),
                'arready': In(1),
                'araddr': Out(bus.address_bits),
                'arlen': Out(8),
                'rvalid': In(1),
                'rready': Out(1),
                'rdata': In(8 * bus.beat),
                'rresp': In(2),
                'rlast': In(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m, bus = Module(), self.bus
        lanes = max(bus.beat // bus.word, 1)
        expected = StructLayout({'owner': 1, 'words': ADDRESS_BITS, 'lane': exact_log2(lanes)})
        m.submodules.cutter = cutter = BurstCutter(bus)
        runs = SyncFIFOBuffered(width=expected.size, depth=RUNS)  # its word in a register; bursts take longer to begin
        m.submodules.runs = ResetInserter(self.flush)(runs)
        accepted, queued = self.run & self.run_ready, expected(runs.w_data)
        m.d.comb += [
            self.run_ready.eq(cutter.run_ready & runs.w_rdy & ~self.flush),
            cutter.run.eq(accepted),
            cutter.address.eq(self.address),
            cutter.beats.eq(beats_of(m, bus, self.address, self.words)),
            cutter.stop.eq(self.flush),
            runs.w_en.eq(accepted),
            queued.owner.eq(self.owner),
            queued.words.eq(self.words),
            self.arvalid.eq(cutter.burst),
            self.araddr.eq(cutter.burst_address),
            self.arlen.eq(cutter.length),
            cutter.burst_ready.eq(self.arready),
        ]
        if lanes > 1:
            m.d.comb += queued.lane.eq(lane_of(bus, self.address))
        self._count(m, cutter)
        self._words(m, runs, expected(runs.r_data), lanes)
        return m

    def _count(self, m: Module, cutter: BurstCutter) -> None:
        """Bursts that were begun and have not ended."""
        waiting, ends = Signal(range(self.bus.outstanding + 1)), self.rvalid & self.rready & self.rlast
        m.d.sync += waiting.eq(waiting + cutter.issued - ends)
        m.d.comb += [
            cutter.allow.eq(waiting != self.bus.outstanding),
            self.idle.eq(cutter.idle & (waiting == 0)),
            self.error.eq(self.rvalid & self.rresp[1] & ~self.flush),
        ]

    def _words(self, m: Module, runs: SyncFIFOBuffered, run, lanes: int) -> None:
        """A register with the next word; a run ends with its last beat, whatever else is in it."""
        bus, index, done, last = self.bus, Signal(ADDRESS_BITS), Signal(), Signal()  # done: a word is complete
        m.d.comb += last.eq(index == run.words)
        if lanes > 1:  # a beat stays until its words are taken
            lane, begun = Signal(range(lanes)), Signal()
            now = Signal(range(lanes))
            word = self.rdata.word_select(now, 8 * bus.word)
            m.d.comb += [
                now.eq(lane),
                done.eq(self.rvalid & runs.r_rdy),
                self.rready.eq(self.flush | (now == lanes - 1) | last),
            ]
            with m.If(~begun):
                m.d.comb += now.eq(run.lane)
            with m.If(self.flush):
                m.d.sync += begun.eq(0)
            with m.Elif(done):
                m.d.sync += [lane.eq(now + 1), begun.eq(~last)]
        else:
            parts, part = bus.word // bus.beat, Signal(range(max(bus.word // bus.beat, 1)))
            before = Signal(8 * (bus.word - bus.beat))  # beats of the word that came
            word = Cat(before, self.rdata)
            m.d.comb += [self.rready.eq(1), done.eq(self.rvalid & runs.r_rdy & (part == parts - 1))]
            with m.If(self.flush):
                m.d.sync += part.eq(0)
            with m.Elif(self.rvalid):
                m.d.sync += [part.eq(part + 1), before.eq(word[8 * bus.beat :])]
        with m.If(self.flush):
            m.d.sync += [index.eq(0), self.word.eq(0)]
        with m.Else():
            m.d.sync += self.word.eq(Mux(done, 1 << run.owner, 0))
            with m.If(done):
                m.d.sync += index.eq(index + 1)
            with m.If(runs.r_en):
                m.d.sync += index.eq(0)
        m.d.comb += runs.r_en.eq(done & last)
        m.d.sync += self.data.eq(word)
