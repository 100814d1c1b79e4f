"""The accelerator with an AXI4 master, AXI4-Lite registers and its instructions in memory. Ours.

A program ends when its last instruction is done and every write was answered; then DONE. An answer that is not OKAY,
bits that are no instruction, or ABORT end it too: everything but the bus is reset, the bus finishes what it began, and
what still comes is dropped. So nothing is taken for an answer of the next program, and no transaction is broken off.
"""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, Mux, ResetSignal, Signal
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import exact_log2

from ..hardware.accelerator import Accelerator
from ..hardware.compute_unit import drain_cycles
from ..hardware.sizes import Sizes
from .bus import Bus, master_ports, slave_ports
from .fetcher import Fetcher
from .reader import Reader
from .registers import REGISTER_BITS, Registers
from .writer import Writer

INCR, NORMAL_BUFFERABLE = 1, 0b0011
FETCH, LOAD = 0, 1  # who reads


class AxiAccelerator(Component):
    """Ports: aclk, aresetn (synchronous; the interconnect is reset with it), s_axi_..., m_axi_..., interrupt.

    Args:
        beat: bytes of the memory's bus; those of a word if not given.

    Raises:
        ValueError: widths that AXI does not have; N that is no power of two.
    """

    def __init__(self, sizes: Sizes, beat: int | None = None, burst: int = 16):
        self.sizes, self.bus = sizes, Bus(sizes.n, beat or sizes.n, burst)
        ports = {'aclk': In(1), 'aresetn': In(1), 'interrupt': Out(1)}
        super().__init__(ports | slave_ports(REGISTER_BITS) | master_ports(self.bus))

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains.sync = ClockDomain(local=True)
        m.domains.core = ClockDomain(local=True)
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn), ClockSignal('core').eq(self.aclk)]
        m.submodules.registers = registers = Registers(self.bus)
        m.submodules.reader, m.submodules.writer = reader, writer = Reader(self.bus), Writer(self.bus)
        fetcher, core, flush = Fetcher(self.bus), Accelerator(self.sizes), Signal(init=1)
        m.submodules.fetcher = DomainRenamer('core')(fetcher)
        m.submodules.accelerator = DomainRenamer('core')(core)
        self._control(m, registers, fetcher, core, (reader, writer, flush))
        self._read(m, registers, fetcher, core, reader)
        self._write(m, registers, core, writer)
        self._ports(m, registers, reader, writer)
        return m

    def _control(self, m: Module, registers: Registers, fetcher: Fetcher, core: Accelerator, bus_side) -> None:
        """``flush`` from an error, an ABORT or a reset until the bus and the pipeline of the array are empty.

        The core is reset a cycle later, by a register of its own that can lie beside it.
        """
        reader, writer, flush = bus_side
        running, ended, flushed, quiet = Signal(), Signal(), Signal(), Signal(init=1)
        wait = drain_cycles(self.sizes.n) + 2  # results that a reset does not stop are written then
        draining = Signal(range(wait + 1), init=wait)
        errors = Cat(reader.error, writer.error, fetcher.bad, registers.abort)  # the bits of `Error`
        m.d.comb += [
            registers.errors.eq(Mux(running & ~flush, errors, 0)),
            registers.running.eq(running),
            ResetSignal('core').eq(quiet),
            registers.start_ready.eq(~flush & ~quiet),
            registers.taken.eq(fetcher.valid & core.instruction_ready & ~flush),
            reader.flush.eq(flush),
            writer.flush.eq(flush),
            ended.eq(~fetcher.busy & core.idle & writer.idle & ~errors.any()),
            flushed.eq((draining == 0) & reader.idle & writer.idle),
            registers.finish.eq(running & Mux(flush, flushed, ended)),
            fetcher.start.eq(registers.start & registers.start_ready),
            core.begin.eq(fetcher.start),
            fetcher.base.eq(registers.code),
            fetcher.count.eq(registers.count),
        ]
        m.d.sync += quiet.eq(flush)
        with m.If(flush & (draining != 0)):
            m.d.sync += draining.eq(draining - 1)
        with m.Elif(flush & flushed):
            m.d.sync += flush.eq(0)
        with m.Elif(~flush & running & errors.any()):
            m.d.sync += [flush.eq(1), draining.eq(wait)]
        with m.If(fetcher.start):
            m.d.sync += running.eq(1)
        with m.Elif(registers.finish):
            m.d.sync += running.eq(0)

    def _read(self, m: Module, registers: Registers, fetcher: Fetcher, core: Accelerator, reader: Reader) -> None:
        """Runs of the fetcher and of loads."""
        loads = Signal()
        m.d.comb += [
            loads.eq(core.read_request & ~fetcher.run),
            reader.run.eq(fetcher.run | loads),
            reader.owner.eq(Mux(fetcher.run, FETCH, LOAD)),
            reader.address.eq(Mux(fetcher.run, fetcher.address, self._address(registers, core.read_address))),
            reader.words.eq(Mux(fetcher.run, self.bus.instruction_words - 1, core.read_words)),
            fetcher.run_ready.eq(reader.run_ready),
            core.read_request_ready.eq(loads & reader.run_ready),
            fetcher.word.eq(reader.word[FETCH]),
            fetcher.data.eq(reader.data),
            core.read_valid.eq(reader.word[LOAD]),
            core.read_data.eq(reader.data),
            core.instruction.eq(fetcher.code),
            core.instruction_valid.eq(fetcher.valid),
            fetcher.ready.eq(core.instruction_ready),
        ]

    def _write(self, m: Module, registers: Registers, core: Accelerator, writer: Writer) -> None:
        """Runs of stores, which end when every write was answered."""
        m.d.comb += [
            writer.run.eq(core.write_request),
            writer.address.eq(self._address(registers, core.write_address)),
            writer.words.eq(core.write_words),
            core.write_request_ready.eq(writer.run_ready),
            writer.word.eq(core.write),
            writer.data.eq(core.write_data),
            core.write_ready.eq(writer.word_ready),
            core.written.eq(writer.idle),
        ]

    def _address(self, registers: Registers, word):
        """Byte address of a word of the accelerator."""
        return (registers.memory + (word << exact_log2(self.sizes.n)))[: self.bus.address_bits]

    def _ports(self, m: Module, registers: Registers, reader: Reader, writer: Writer) -> None:
        m.d.comb += self.interrupt.eq(registers.interrupt)
        for name, flow in slave_ports(REGISTER_BITS).items():
            mine, inner = getattr(self, name), getattr(registers, name)
            m.d.comb += inner.eq(mine) if flow.flow == In else mine.eq(inner)
        for channel, side in (('aw', writer), ('ar', reader)):
            constants = {'size': exact_log2(self.bus.beat), 'burst': INCR, 'cache': NORMAL_BUFFERABLE}
            m.d.comb += [getattr(self, f'm_axi_{channel}{name}').eq(value) for name, value in constants.items()]
            m.d.comb += [
                getattr(self, f'm_axi_{channel}{name}').eq(getattr(side, f'{channel}{name}'))
                for name in ('valid', 'addr', 'len')
            ]
        for side, into, out in (
            (writer, ('awready', 'wready', 'bvalid', 'bresp'), ('wvalid', 'wdata', 'wstrb', 'wlast', 'bready')),
            (reader, ('arready', 'rvalid', 'rdata', 'rresp', 'rlast'), ('rready',)),
        ):
            m.d.comb += [getattr(side, name).eq(getattr(self, f'm_axi_{name}')) for name in into]
            m.d.comb += [getattr(self, f'm_axi_{name}').eq(getattr(side, name)) for name in out]
