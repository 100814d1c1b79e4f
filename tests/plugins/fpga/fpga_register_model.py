"""A board without a board: registers and memory as pynq gives them; a start runs the Verilog in Verilator."""

import importlib
import sys

import numpy as np

from plugins.fpga.axi.memory_image import instruction_bytes
from plugins.fpga.axi.register_map import IDENTITY, Control, Register, Status
from plugins.fpga.compiler.program import Program
from plugins.fpga.hardware.instructions import INSTRUCTION_BITS, decode


class Buffer(np.ndarray):
    """As pynq.allocate returns."""

    device_address = 0

    def flush(self):
        pass

    def invalidate(self):
        pass


class Board:
    """Memory and registers; ``error``: how the next program ends; ``dead``: it does not."""

    def __init__(self, simulator):
        self.simulator, self.n = simulator, simulator.sizes.n
        self.error, self.dead, self.aborted = 0, False, False
        self.values, self.buffers = dict.fromkeys(Register, 0), {}

    def allocate(self, shape, dtype) -> Buffer:
        buffer = np.zeros(shape, dtype).view(Buffer)
        buffer.device_address = 0x1_0000_0000 + 0x10_0000 * len(self.buffers)  # beyond 4 GB: both halves count
        self.buffers[buffer.device_address] = buffer
        return buffer

    def read(self, offset: int) -> int:
        if offset == Register.IDENTITY:
            return IDENTITY
        if offset == Register.SHAPE:
            return self.n | self.n << 8 | instruction_bytes(self.n) << 16
        return self.values[Register(offset)]

    def write(self, offset: int, value: int) -> None:
        if offset == Register.STATUS:
            self.values[Register.STATUS] &= ~(value & Status.DONE)
        elif offset != Register.CONTROL:
            self.values[Register(offset)] = value
        elif value & Control.ABORT:
            self.aborted = True
        elif value & Control.START and not self.dead:
            self._run()

    def _run(self) -> None:
        code, memory = (
            self.buffers[self.values[low] | self.values[Register(low + 4)] << 32]
            for low in (Register.CODE_LOW, Register.MEMORY_LOW)
        )
        size, count = instruction_bytes(self.n), self.values[Register.COUNT]
        words = [bytes(code[i * size : (i + 1) * size]) for i in range(count)]
        instructions = tuple(decode(int.from_bytes(x, 'little') % (1 << INSTRUCTION_BITS)) for x in words)
        program = Program('board', instructions, np.asarray(memory).reshape(-1, self.n))
        run = self.simulator.run_program(program)
        memory[:] = run.outside.reshape(-1)
        cycles = run.cycles
        self.values |= {Register.ERROR: self.error, Register.TAKEN: count, Register.STATUS: int(Status.DONE)}
        self.values |= {Register.CYCLES_LOW: cycles & 0xFFFFFFFF, Register.CYCLES_HIGH: cycles >> 32}


def bundle_modules(folder):
    """(driver, host) of the bundle's own files, imported from ``folder`` alone."""
    names = ('register_map', 'host', 'driver')
    sys.path.insert(0, str(folder))
    try:
        for name in names:
            sys.modules.pop(name, None)
        modules = {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(folder))
        for name in names:
            sys.modules.pop(name, None)
    return modules['driver'], modules['host']
