"""Writes runs of words over AXI: words made into beats, several bursts wait for their answers. Ours."""

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib.data import StructLayout
from amaranth.lib.fifo import SyncFIFO, SyncFIFOBuffered
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import exact_log2

from ..hardware.sizes import ADDRESS_BITS
from .bursts import BurstCutter
from .bus import Bus
from .reader import RUNS, beats_of, lane_of

WORDS = 16  # that wait for the bus


class Writer(Component):
    """Ports.

    run, run_ready: a run of ``words`` + 1 words to byte ``address``, a multiple of a word.
    word, word_ready, data: of the runs, in order.
    flush: drop everything; bursts that the bus began are filled with beats that write nothing.
    idle: nothing is under way, every write was answered. error: an answer is not OKAY.
    aw..., w..., b...: channels of AXI4.
    """

    def __init__(self, bus: Bus):
        self.bus = bus
        super().__init__(
            {
                'run': In(1),
                'run_ready': Out(1),
                'address': In(bus.address_bits),
                'words': In(ADDRESS_BITS),
                'word': In(1),
                'word_ready': Out(1),
                'data': In(8 * bus.word),
                'flush': In(1),
                'idle': Out(1),
                'error': Out(1),
                'awvalid': Out(1),
                'awready': In(1),
                'awaddr': Out(bus.address_bits),
                'awlen': Out(8),
                'wvalid': Out(1),
                'wready': In(1),
                'wdata': Out(8 * bus.beat),
                'wstrb': Out(bus.beat),
                'wlast': Out(1),
                'bvalid': In(1),
                'bready': Out(1),
                'bresp': In(2),
            }
        )

    def elaborate(self, platform) -> Module:
        m, bus = Module(), self.bus
        m.submodules.cutter = cutter = BurstCutter(bus)
        words = SyncFIFO(width=8 * bus.word, depth=WORDS)
        lengths = SyncFIFOBuffered(width=8, depth=bus.outstanding)
        m.submodules.words, m.submodules.lengths = ResetInserter(self.flush)(words), lengths
        room = self._beats(m, words)
        m.d.comb += [
            self.run_ready.eq(cutter.run_ready & room & ~self.flush),
            cutter.run.eq(self.run & self.run_ready),
            cutter.address.eq(self.address),
            cutter.beats.eq(beats_of(m, bus, self.address, self.words)),
            cutter.stop.eq(self.flush),
            self.awvalid.eq(cutter.burst),
            self.awaddr.eq(cutter.burst_address),
            self.awlen.eq(cutter.length),
            cutter.burst_ready.eq(self.awready),
            words.w_data.eq(self.data),
            words.w_en.eq(self.word & self.word_ready),
            lengths.w_data.eq(cutter.length),
            lengths.w_en.eq(cutter.burst & self.awready),  # no data before its address
        ]
        # a register, one cycle late: two words may come before a queue that fills is seen
        m.d.sync += self.word_ready.eq(words.level < WORDS - 2)
        self._send(m, lengths)
        self._count(m, cutter, words)
        return m

    def _beats(self, m: Module, words: SyncFIFO):
        """Signals ``filled``, ``beat``, ``strobes``, ``take`` of the next beat; whether another run may come."""
        bus = self.bus
        self._filled, self._beat, self._strobes, self._take = (
            Signal(), Signal(8 * bus.beat), Signal(bus.beat), Signal()
        )  # fmt: skip
        if bus.beat > bus.word:
            return self._gather(m, words)
        parts = bus.word // bus.beat
        part = Signal(range(parts))
        m.d.comb += [
            self._filled.eq(words.r_rdy),
            self._beat.eq(words.r_data.word_select(part, 8 * bus.beat)),
            self._strobes.eq(-1),
            words.r_en.eq(self._take & (part == parts - 1)),
        ]
        with m.If(self.flush):
            m.d.sync += part.eq(0)
        with m.Elif(self._take):
            m.d.sync += part.eq(part + 1)
        return 1

    def _gather(self, m: Module, words: SyncFIFO):
        """Several words a beat: it is full at its last word or at that of the run."""
        bus, lanes = self.bus, self.bus.beat // self.bus.word
        layout = StructLayout({'words': ADDRESS_BITS, 'lane': exact_log2(lanes)})
        runs = SyncFIFO(width=layout.size, depth=RUNS)
        m.submodules.runs = ResetInserter(self.flush)(runs)
        queued, run = layout(runs.w_data), layout(runs.r_data)
        lane, now, begun, index = Signal(range(lanes)), Signal(range(lanes)), Signal(), Signal(ADDRESS_BITS)
        last, put = Signal(), Signal()
        m.d.comb += [
            queued.words.eq(self.words),
            queued.lane.eq(lane_of(bus, self.address)),
            runs.w_en.eq(self.run & self.run_ready),
            now.eq(Mux(begun, lane, run.lane)),
            last.eq(index == run.words),
            put.eq(words.r_rdy & runs.r_rdy & (~self._filled | self._take)),
            words.r_en.eq(put),
            runs.r_en.eq(put & last),
        ]
        with m.If(self._take):
            m.d.sync += [self._filled.eq(0), self._strobes.eq(0)]
        with m.If(put):
            m.d.sync += [
                self._beat.word_select(now, 8 * bus.word).eq(words.r_data),
                self._strobes.word_select(now, bus.word).eq(-1),
                self._filled.eq(last | (now == lanes - 1)),
                lane.eq(now + 1),
                begun.eq(~last),
                index.eq(Mux(last, 0, index + 1)),
            ]
        with m.If(self.flush):
            m.d.sync += [self._filled.eq(0), self._strobes.eq(0), begun.eq(0), index.eq(0)]
        return runs.w_rdy

    def _send(self, m: Module, lengths: SyncFIFOBuffered) -> None:
        """The beats of the bursts whose addresses were taken, in a register until the bus takes them."""
        index, go = Signal(8), Signal()
        m.d.comb += [
            go.eq(lengths.r_rdy & (self._filled | self.flush) & (~self.wvalid | self.wready)),
            self._take.eq(go & ~self.flush),
            lengths.r_en.eq(go & (index == lengths.r_data)),
        ]
        with m.If(go):
            m.d.sync += [
                self.wvalid.eq(1),
                self.wdata.eq(self._beat),
                self.wstrb.eq(Mux(self.flush, 0, self._strobes)),
                self.wlast.eq(lengths.r_en),
                index.eq(Mux(lengths.r_en, 0, index + 1)),
            ]
        with m.Elif(self.wready):
            m.d.sync += self.wvalid.eq(0)

    def _count(self, m: Module, cutter: BurstCutter, words: SyncFIFO) -> None:
        """Bursts that were begun and have not been answered."""
        waiting = Signal(range(self.bus.outstanding + 1))
        m.d.sync += waiting.eq(waiting + cutter.issued - self.bvalid)
        m.d.comb += [
            self.bready.eq(1),
            cutter.allow.eq(waiting != self.bus.outstanding),
            self.idle.eq(cutter.idle & (waiting == 0) & ~self.wvalid),
            self.error.eq(self.bvalid & self.bresp[1]),
        ]
