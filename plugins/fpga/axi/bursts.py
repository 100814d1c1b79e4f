"""Cuts a run of beats into bursts that cross no 4 KB boundary. Ours.

A burst ends with the run or at a multiple of the longest burst, whichever comes first; the longest burst divides 4 KB.
Its length takes a cycle to find, so there is one every other cycle at most: both in one cycle is a long path.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import exact_log2

from ..hardware.sizes import ADDRESS_BITS
from .bus import Bus

RUN_BITS = ADDRESS_BITS + 8  # beats of a run: a word has at most 2 ** 7 beats


class BurstCutter(Component):
    """Ports.

    run, run_ready: a run of ``beats`` beats, 1 or more, from byte ``address``, whose bits below a beat do not count.
    burst, burst_ready: a burst of ``length`` + 1 beats from ``burst_address``, held until it is taken.
    allow: another burst may begin. issued: one begins. stop: forget the run; the burst that waits is kept.
    """

    def __init__(self, bus: Bus):
        self.bus = bus
        super().__init__(
            {
                'run': In(1),
                'run_ready': Out(1),
                'address': In(bus.address_bits),
                'beats': In(RUN_BITS),
                'burst': Out(1),
                'burst_ready': In(1),
                'burst_address': Out(bus.address_bits),
                'length': Out(8),
                'allow': In(1),
                'issued': Out(1),
                'stop': In(1),
                'idle': Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m, low, size = Module(), exact_log2(self.bus.beat), self.bus.burst
        active, left = Signal(), Signal(RUN_BITS)
        at = Signal(self.bus.address_bits - low)  # in beats
        to_boundary, room, last, known = Signal(range(size + 1)), Signal(range(size + 1)), Signal(), Signal()
        bits = len(room)
        m.d.comb += [
            to_boundary.eq(size - at[: exact_log2(size)]),
            self.issued.eq(active & known & self.allow & ~self.stop & (~self.burst | self.burst_ready)),
            self.run_ready.eq(~active),
            self.idle.eq(~active & ~self.burst),
        ]
        m.d.sync += [
            room.eq(to_boundary),
            last.eq(~left[bits:].any() & (left[:bits] <= to_boundary)),
            known.eq(active & ~self.issued),
        ]
        with m.If(self.issued):
            m.d.sync += [
                self.burst.eq(1),
                self.burst_address.eq(at << low),
                self.length.eq(Mux(last, left[:bits], room) - 1),
                at.eq(at + room),  # of no account after the last burst, as is what is left
                left.eq(left - room),
                active.eq(~last),
            ]
        with m.Elif(self.burst_ready):
            m.d.sync += self.burst.eq(0)
        with m.If(self.stop):
            m.d.sync += active.eq(0)
        with m.Elif(self.run & self.run_ready):
            m.d.sync += [active.eq(1), at.eq(self.address[low:]), left.eq(self.beats)]
        return m
