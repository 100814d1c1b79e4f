"""Hands instructions to the queues of three units; each begins its next one when what it waits for has ended. Ours."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from .instructions import AFTER_BITS, INSTRUCTION_BITS, KIND_BITS, KINDS, Compute, widths

QUEUED = 8  # instructions that wait in front of each unit
COUNTS = ArrayLayout(AFTER_BITS, len(KINDS))  # of instructions that ended, in the order of KINDS


class UnitQueue(Component):
    """The instructions of one kind.

    push, code: one more, when ``ready``. ended: of all units. start: for one cycle; ``fields`` stand still from then on
    until ``busy`` falls. done: for one cycle, its unit is free again. idle: none is there.

    A `Compute` may wait for computes too, as the next one begins while the results of the last one are on their way.
    """

    def __init__(self, kind: type):
        self.kind, self.layout = kind, StructLayout(widths(kind))
        super().__init__(
            {
                'push': In(1),
                'ready': Out(1),
                'code': In(self.layout),
                'ended': In(COUNTS),
                'start': Out(1),
                'fields': Out(self.layout),
                'busy': In(1),
                'done': Out(1),
                'idle': Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.queue = queue = SyncFIFO(width=self.layout.size, depth=QUEUED)
        begin, active, free, met, following = Signal(), Signal(), Signal(), Signal(), Signal(self.layout)
        waits = []
        for unit, kind in enumerate(KINDS):
            if kind is not self.kind or kind is Compute:
                needed, ahead = getattr(following, f'after_{kind.__name__.lower()}s'), Signal(AFTER_BITS)
                m.d.comb += ahead.eq(self.ended[unit] - needed)
                waits.append(ahead[-1])  # negative: not yet
        m.d.comb += [
            queue.w_en.eq(self.push),
            queue.w_data.eq(self.code),
            self.ready.eq(queue.w_rdy),
            following.as_value().eq(queue.r_data),
            free.eq(~self.start & ~self.busy),
            begin.eq(met & free),
            queue.r_en.eq(begin),
            self.done.eq(active & free),
            self.idle.eq(~queue.r_rdy & free),
        ]
        m.d.sync += [
            met.eq(queue.r_rdy & ~Cat(*waits).any() & ~begin),  # what was met stays so
            self.start.eq(begin),
            active.eq(begin | (active & ~free)),
        ]
        with m.If(begin):
            m.d.sync += self.fields.eq(following)
        return m


class Controller(Component):
    """Ports: an instruction is taken when ``valid`` and ``ready``; of the units start, busy and fields by kind; done.

    ``done`` has a bit for each of KINDS: one of its instructions has ended. ``begin``: a program begins in the next
    cycle, instructions are counted anew; only while ``idle``.

    Args:
        drain: cycles from a `Compute`'s leaving its unit free to its end.
    """

    def __init__(self, drain: int):
        self.drain = drain
        super().__init__(
            {
                'code': In(INSTRUCTION_BITS),
                'valid': In(1),
                'ready': Out(1),
                'idle': Out(1),
                'done': Out(len(KINDS)),
                'begin': In(1),
                **{f'{kind.__name__.lower()}_start': Out(1) for kind in KINDS},
                **{f'{kind.__name__.lower()}_busy': In(1) for kind in KINDS},
                **{kind.__name__.lower(): Out(StructLayout(widths(kind))) for kind in KINDS},
            }
        )

    def elaborate(self, platform) -> Module:
        m, ended, drained, queues = Module(), Signal(COUNTS), Signal(), []
        for unit, kind in enumerate(KINDS):
            name = kind.__name__.lower()
            m.submodules[f'{name}_queue'] = queue = UnitQueue(kind)
            mine = self.code[:KIND_BITS] == unit
            m.d.comb += [
                queue.push.eq(self.valid & mine & queue.ready),
                queue.code.as_value().eq(self.code[KIND_BITS:]),
                queue.ended.eq(ended),
                queue.busy.eq(getattr(self, f'{name}_busy')),
                getattr(self, f'{name}_start').eq(queue.start),
                getattr(self, name).eq(queue.fields),
            ]
            if kind is Compute:
                draining = Signal(self.drain)
                m.d.sync += draining.eq(Cat(queue.done, draining))
                m.d.comb += [self.done[unit].eq(draining[-1]), drained.eq(~queue.done & ~draining[:-1].any())]
            else:
                m.d.comb += self.done[unit].eq(queue.done)
            with m.If(mine):
                m.d.comb += self.ready.eq(queue.ready)
            m.d.sync += ended[unit].eq(ended[unit] + self.done[unit])
            queues.append(queue)
        with m.If(self.begin):
            m.d.sync += ended.eq(0)
        m.d.comb += self.idle.eq(drained & Cat(queue.idle for queue in queues).all())
        return m
