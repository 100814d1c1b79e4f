"""AXI4-Lite slave with the registers of `register_map`. Ours."""

from collections.abc import Iterable

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from .bus import Bus, slave_ports
from .register_map import IDENTITY, Error, Register

REGISTER_BITS = 6  # of a byte address


class Registers(Component):
    """Ports.

    s_axi_...: AXI4-Lite; every access is answered OKAY, addresses beyond the map read 0.
    start: held until start_ready, with code, memory and count, which stand still until the next start.
    abort: for one cycle. running: a program runs. finish: it ends in this cycle. errors: bits of `Error` to be set.
    taken: an instruction is begun. interrupt: DONE, where it is enabled.
    """

    def __init__(self, bus: Bus):
        self.bus = bus
        super().__init__(
            slave_ports(REGISTER_BITS)
            | {
                'start': Out(1),
                'start_ready': In(1),
                'abort': Out(1),
                'code': Out(bus.address_bits),
                'memory': Out(bus.address_bits),
                'count': Out(32),
                'running': In(1),
                'finish': In(1),
                'errors': In(5),
                'taken': In(1),
                'interrupt': Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m, bus = Module(), self.bus
        plain = [Register.CODE_LOW, Register.CODE_HIGH, Register.MEMORY_LOW, Register.MEMORY_HIGH, Register.COUNT]
        values = {x: Signal(32, name=x.name.lower()) for x in plain}
        done, enable, error = Signal(), Signal(), Signal(5)
        cycles, taken = Signal(64), Signal(32)
        written, data = self._write(m, [*plain, Register.CONTROL, Register.STATUS, Register.INTERRUPT_ENABLE])
        control, begin, busy = written[Register.CONTROL], Signal(), self.running | self.start
        m.d.comb += [
            begin.eq(control & data[0] & ~busy),
            self.abort.eq(control & data[1] & self.running),
            self.interrupt.eq(done & enable),
        ]
        for name, value in values.items():
            mask = bus.word - 1 if name in (Register.CODE_LOW, Register.MEMORY_LOW) else 0
            with m.If(written[name]):
                m.d.sync += value.eq(data & (2**32 - 1 - mask))
        with m.If(written[Register.INTERRUPT_ENABLE]):
            m.d.sync += enable.eq(data[0])
        with m.If(begin):
            m.d.sync += self.start.eq(1)
        with m.Elif(self.start_ready):
            m.d.sync += self.start.eq(0)
        with m.If(begin):
            code, memory = (
                Cat(values[low], values[high])
                for low, high in ((Register.CODE_LOW, Register.CODE_HIGH), (Register.MEMORY_LOW, Register.MEMORY_HIGH))
            )
            m.d.sync += [self.code.eq(code), self.memory.eq(memory), self.count.eq(values[Register.COUNT])]
            m.d.sync += [done.eq(0), error.eq(0), cycles.eq(0), taken.eq(0)]
        with m.Else():
            again = control & data[0]
            m.d.sync += [
                error.eq(error | self.errors | Mux(again, int(Error.START_WHILE_RUNNING), 0)),
                taken.eq(taken + self.taken),
            ]
            m.d.sync += cycles.eq(cycles + self.running)
            with m.If(self.finish):
                m.d.sync += done.eq(1)
            with m.Elif(written[Register.STATUS] & data[1]):
                m.d.sync += done.eq(0)
        shape = bus.word | bus.beat << 8 | (bus.instruction_words * bus.word) << 16
        values |= {
            Register.STATUS: Cat(busy, done),
            Register.ERROR: error,
            Register.INTERRUPT_ENABLE: enable,
            Register.CYCLES_LOW: cycles[:32],
            Register.CYCLES_HIGH: cycles[32:],
            Register.TAKEN: taken,
            Register.IDENTITY: Const(IDENTITY, 32),
            Register.SHAPE: Const(shape, 32),
        }
        self._read(m, values)
        return m

    def _write(self, m: Module, names: Iterable[Register]) -> tuple[dict[Register, Signal], Signal]:
        """(register -> it is written in this cycle, its new value); decoded a cycle before, which keeps paths short."""
        address, data = Signal(), Signal()  # each came and waits
        both, decoded, answer = Signal(), Signal(), Signal()
        strobes, index, value = Signal(4), Signal(REGISTER_BITS - 2), Signal(32)
        written = {x: Signal(name=f'write_{x.name.lower()}') for x in names}
        m.d.comb += [
            self.s_axi_awready.eq(~address),
            self.s_axi_wready.eq(~data),
            self.s_axi_bvalid.eq(answer),
            both.eq(address & data & ~decoded & ~answer),
        ]
        m.d.sync += [strobe.eq(both & strobes.all() & (index == x // 4)) for x, strobe in written.items()]
        m.d.sync += decoded.eq(both)
        with m.If(self.s_axi_awvalid & ~address):
            m.d.sync += [address.eq(1), index.eq(self.s_axi_awaddr[2:])]
        with m.If(self.s_axi_wvalid & ~data):
            m.d.sync += [data.eq(1), value.eq(self.s_axi_wdata), strobes.eq(self.s_axi_wstrb)]
        with m.If(both):
            m.d.sync += [address.eq(0), data.eq(0)]
        with m.If(decoded):
            m.d.sync += answer.eq(1)
        with m.Elif(self.s_axi_bready):
            m.d.sync += answer.eq(0)
        return written, value

    def _read(self, m: Module, values: dict) -> None:
        m.d.comb += self.s_axi_arready.eq(~self.s_axi_rvalid)
        with m.If(self.s_axi_arvalid & self.s_axi_arready):
            m.d.sync += [self.s_axi_rvalid.eq(1), self.s_axi_rdata.eq(0)]
            with m.Switch(self.s_axi_araddr[2:]):
                for name, value in values.items():
                    with m.Case(name // 4):
                        m.d.sync += self.s_axi_rdata.eq(value)
        with m.Elif(self.s_axi_rready):
            m.d.sync += self.s_axi_rvalid.eq(0)
