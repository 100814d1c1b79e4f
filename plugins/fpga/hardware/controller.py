"""Takes instructions one after another and starts the unit that runs each; the next one waits for it. Ours."""

from amaranth.hdl import Module, Signal
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from .instructions import INSTRUCTION_BITS, KIND_BITS, KINDS, Compute, Store, Transfer, widths


class Controller(Component):
    """An instruction is taken when ``valid`` and ``ready``; its fields then stand still until ``busy`` falls."""

    def __init__(self):
        super().__init__(
            {
                'code': In(INSTRUCTION_BITS),
                'valid': In(1),
                'ready': Out(1),
                'busy': In(1),
                'store': Out(1),
                'start_compute': Out(1),
                'start_transfer': Out(1),
                'compute': Out(StructLayout(widths(Compute))),
                'transfer': Out(StructLayout(widths(Transfer))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        code, fresh = Signal(INSTRUCTION_BITS), Signal()
        kind, is_compute = code[:KIND_BITS], Signal()
        m.d.comb += [
            is_compute.eq(kind == KINDS.index(Compute)),
            self.ready.eq(~fresh & ~self.busy),
            self.store.eq(kind == KINDS.index(Store)),
            self.start_compute.eq(fresh & is_compute),
            self.start_transfer.eq(fresh & ~is_compute),
            self.compute.as_value().eq(code[KIND_BITS:]),
            self.transfer.as_value().eq(code[KIND_BITS:]),
        ]
        m.d.sync += fresh.eq(self.valid & self.ready)
        with m.If(self.valid & self.ready):
            m.d.sync += code.eq(self.code)
        return m
