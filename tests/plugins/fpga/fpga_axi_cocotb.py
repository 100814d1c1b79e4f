"""Runs inside the simulator, started by fpga_axi_runs.py: its settings are json in $DETPLUG_AXI_RUNS.

A run is a random program on a slave that stalls at random. ``reset``, ``abort``, ``fault`` and ``instruction`` first
break a program off at a random moment, then the same program must give the right values.
"""

import json
import logging
import os
import random
from dataclasses import dataclass, fields
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiSlave
from fpga_axi_case import Case, random_case
from fpga_axi_memory import SlowMemory, pauses

from plugins.fpga.axi.memory_image import code_bytes, instruction_bytes
from plugins.fpga.axi.register_map import IDENTITY, Control, Error, Register, Status
from plugins.fpga.hardware.sizes import Sizes
from plugins.fpga.simulation.cycles import total_cycles

MEMORY_BYTES = 1 << 17  # three tables of 16 lanes take 48 KiB
PATIENCE = 400  # times the cycles of the model, and that many cycles: then a program hangs
KINDS = ('plain', 'reset', 'abort', 'fault', 'instruction')


class Hang(Exception):
    """A program does not end."""


@dataclass
class Bench:
    """The design, its bus and what one run needs."""

    dut: object
    sizes: Sizes
    slave: AxiSlave
    memory: SlowMemory
    registers: AxiLiteMaster
    case: Case | None = None
    code: bytes = b''
    code_at: int = 0
    memory_at: int = 0

    async def write(self, register: Register, value: int) -> None:
        await self.registers.write(int(register), value.to_bytes(4, 'little'))

    async def read(self, register: Register) -> int:
        return int.from_bytes((await self.registers.read(int(register), 4)).data, 'little')

    def place(self, rng: random.Random, case: Case) -> None:
        """Anywhere in memory, at a word."""
        n = self.sizes.n
        self.case, self.code = case, code_bytes(case.program.instructions, n)
        sizes = [len(self.code), case.program.outside.size]
        free = MEMORY_BYTES - sum(sizes)
        cuts = sorted(rng.randrange(free // n) * n for _ in range(2))
        if rng.random() < 0.5:
            self.code_at, self.memory_at = cuts[0], cuts[1] + sizes[0]
        else:
            self.memory_at, self.code_at = cuts[0], cuts[1] + sizes[1]

    def load(self, rng: random.Random, fault: int | None = None, code: bytes | None = None) -> None:
        """The program's memory as it is before it runs, in bytes that it must not touch; new stalls."""
        content = bytearray(rng.randbytes(MEMORY_BYTES))
        image = self.case.program.outside.tobytes()
        content[self.code_at : self.code_at + len(self.code)] = code or self.code
        content[self.memory_at : self.memory_at + len(image)] = image
        self.memory.bytes[:], self.before = content, bytes(content)
        self.memory.load(rng, rng.choice([0, 0, 0.02, 0.2]), fault)
        for channel in (self.slave.write_if.aw_channel, self.slave.write_if.w_channel, self.slave.write_if.b_channel,
                        self.slave.read_if.ar_channel, self.slave.read_if.r_channel):  # fmt: skip
            channel.set_pause_generator(pauses(random.Random(rng.random()), rng.choice([0, 0, 0.1, 0.5, 0.8])))

    async def start(self) -> None:
        await self.write(Register.INTERRUPT_ENABLE, 1)
        for low, value in ((Register.CODE_LOW, self.code_at), (Register.MEMORY_LOW, self.memory_at)):
            await self.write(low, value)
            await self.write(Register(low + 4), 0)
        await self.write(Register.COUNT, len(self.case.program.instructions))
        await self.write(Register.CONTROL, Control.START)

    async def end(self) -> Error:
        """Wait for the interrupt; why the program ended.

        Raises:
            Hang: it does not come.
        """
        limit = PATIENCE * (total_cycles(self.case.program.instructions, self.sizes.n) + PATIENCE)
        if not self.dut.interrupt.value:
            await First(RisingEdge(self.dut.interrupt), ClockCycles(self.dut.aclk, limit))
        if not self.dut.interrupt.value:
            raise Hang
        status = await self.read(Register.STATUS)
        await self.write(Register.STATUS, Status.DONE)
        if status != Status.DONE or self.dut.interrupt.value:
            raise Hang(f'status {status}')
        return Error(await self.read(Register.ERROR))

    def mismatches(self) -> int:
        """Of the result, and bytes that the program may not touch."""
        image = self.case.program.outside
        found = np.frombuffer(bytes(self.memory.bytes), np.uint8)
        before = np.frombuffer(self.before, np.uint8)
        mine = slice(self.memory_at, self.memory_at + image.size)
        others = np.ones(MEMORY_BYTES, bool)
        others[mine] = False
        touched = np.count_nonzero(found[others] != before[others])
        return self.case.mismatches(found[mine].reshape(image.shape)) + int(touched)


async def break_off(bench: Bench, kind: str, rng: random.Random) -> int:
    """A program that ends early; 1 when it was not reported as it must be."""
    fault = rng.randrange(400) if kind == 'fault' else None
    code = None
    if kind == 'instruction':
        size = instruction_bytes(bench.sizes.n)
        code = bytearray(bench.code)
        code[size * rng.randrange(len(code) // size)] |= 3
    bench.load(rng, fault, code)
    await bench.start()
    if kind in ('reset', 'abort'):
        span = 2 * total_cycles(bench.case.program.instructions, bench.sizes.n)
        await ClockCycles(bench.dut.aclk, rng.randrange(1, span))
    if kind == 'reset':
        bench.dut.aresetn.value = 0
        await ClockCycles(bench.dut.aclk, rng.randrange(1, 20))
        bench.dut.aresetn.value = 1
        await ClockCycles(bench.dut.aclk, rng.randrange(1, 4))
        return 0
    if kind == 'abort':
        await bench.write(Register.CONTROL, Control.ABORT)
    failed = {'read': Error.READ, 'write': Error.WRITE}
    error = await bench.end()
    if kind == 'abort':
        return int(error not in (Error.ABORTED, Error(0)))
    if kind == 'instruction':
        return int(error != Error.INSTRUCTION)
    return int(error != (failed[bench.memory.failed] if bench.memory.failed else Error(0)))


async def one_run(bench: Bench, seed: int, kind: str) -> dict:
    """A random program; how it went."""
    rng = random.Random(seed)
    bench.place(rng, random_case(np.random.default_rng(seed), bench.sizes))
    found = {'seed': seed, 'kind': kind, 'mismatches': 0, 'hangs': 0, 'misreported': 0}
    try:
        if kind != 'plain':
            found['misreported'] = await break_off(bench, kind, rng)
        bench.load(rng)
        await bench.start()
        error = await bench.end()
        found['mismatches'] = bench.mismatches()
        count = len(bench.case.program.instructions)
        found['misreported'] += int(error != 0) + int(await bench.read(Register.TAKEN) != count)
        found['misreported'] += int(bench.memory.outside)
        found['cycles'] = await bench.read(Register.CYCLES_LOW)
        found['model'] = total_cycles(bench.case.program.instructions, bench.sizes.n)
    except Hang:
        found['hangs'] = 1
    return found


@cocotb.test()
async def random_runs(dut) -> None:
    """Writes a line of json a run into ``out``; the figures are judged outside."""
    logging.getLogger('cocotb').setLevel(logging.ERROR)
    words = json.loads(os.environ['DETPLUG_AXI_RUNS'])
    sizes = Sizes(**{x.name: words[x.name] for x in fields(Sizes)})
    dut.aresetn.value = 0
    Clock(dut.aclk, 10, 'ns').start()
    memory = SlowMemory(dut.aclk, MEMORY_BYTES)
    slave = AxiSlave(AxiBus.from_prefix(dut, 'm_axi'), dut.aclk, dut.aresetn, memory, reset_active_level=False)
    registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, 's_axi'), dut.aclk, dut.aresetn, reset_active_level=False)
    await ClockCycles(dut.aclk, 3)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 2)
    bench = Bench(dut, sizes, slave, memory, registers)
    assert await bench.read(Register.IDENTITY) == IDENTITY
    with Path(words['out']).open('a') as out:
        for seed in words['seeds']:
            found = await one_run(bench, seed, KINDS[seed % len(KINDS)])
            out.write(json.dumps(found) + '\n')
            out.flush()
            if found['hangs']:
                return  # what comes after it says nothing
