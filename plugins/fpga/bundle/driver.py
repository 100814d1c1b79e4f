"""Runs the accelerator of a bundle on a board with PYNQ, or on anything with registers and memory like it. Ours.

In a bundle this file is rtl/driver.py, beside register_map.py and host.py:

    overlay = pynq.Overlay('accelerator.bit')
    accelerator = Accelerator('.', overlay.axi_accelerator_0.mmio, pynq.allocate)
    maps = accelerator.run(image)
"""

import json
import time
from pathlib import Path

import numpy as np

from ..axi.register_map import IDENTITY, Control, Error, Register, Status
from .host import outputs, pack


class AcceleratorError(RuntimeError):
    """The accelerator is another one than the bundle's, stopped with an error, or does not end."""


class Accelerator:
    """A program in memory that registers start.

    Args:
        folder: ``rtl`` of a bundle.
        registers: with ``read(offset)`` and ``write(offset, value)`` of 32 bits, as pynq's MMIO.
        allocate: with ``shape`` and ``dtype`` gives an array with ``device_address``, ``flush()`` and ``invalidate()``,
            as pynq's.

    Raises:
        AcceleratorError: the hardware is not that of the bundle.
    """

    def __init__(self, folder, registers, allocate):
        folder = Path(folder)
        self.program = json.loads((folder / 'program.json').read_text())
        self.registers, self.cycles = registers, 0
        self._check()
        self._image = np.fromfile(folder / 'memory.bin', np.uint8)
        code = np.fromfile(folder / 'code.bin', np.uint8)
        self._code, self._memory = (allocate(shape=x.shape, dtype=np.uint8) for x in (code, self._image))
        self._code[:] = code
        self._code.flush()

    def run(self, image: np.ndarray, timeout: float = 10.0) -> list[np.ndarray]:
        """Integers (C, H, W) of an image -> of each level (1, C, H, W) integers; ``cycles`` are those it took.

        Raises:
            ValueError: an image of another shape.
            AcceleratorError: it stopped with an error, or not within ``timeout`` seconds.
        """
        self._memory[:] = pack(image, self._image, self.program).reshape(-1)
        self._memory.flush()
        for low, buffer in ((Register.CODE_LOW, self._code), (Register.MEMORY_LOW, self._memory)):
            self._write(low, buffer.device_address & 0xFFFFFFFF)
            self._write(Register(low + 4), buffer.device_address >> 32)
            if self._read(low) != buffer.device_address & 0xFFFFFFFF:
                raise AcceleratorError(f'buffer at {buffer.device_address:#x}: its address is no multiple of a word')
        self._write(Register.COUNT, self.program['instructions'])
        self._write(Register.STATUS, Status.DONE)
        self._write(Register.CONTROL, Control.START)
        self._wait(timeout)
        if error := Error(self._read(Register.ERROR)):
            taken = self._read(Register.TAKEN)
            raise AcceleratorError(f'instruction {taken} of {self.program["instructions"]}: error {error!r}')
        self.cycles = self._read(Register.CYCLES_HIGH) << 32 | self._read(Register.CYCLES_LOW)
        self._memory.invalidate()
        return outputs(np.asarray(self._memory), self.program)

    def _wait(self, timeout: float) -> None:
        """Until DONE; what does not end is aborted."""
        end = time.monotonic() + timeout
        while not self._read(Register.STATUS) & Status.DONE:
            if time.monotonic() > end:
                taken = self._read(Register.TAKEN)
                self._write(Register.CONTROL, Control.ABORT)
                raise AcceleratorError(f'instruction {taken}: not done after {timeout} s; is the memory reached?')
            time.sleep(1e-4)

    def _check(self) -> None:
        if (identity := self._read(Register.IDENTITY)) != IDENTITY:
            raise AcceleratorError(f'identity {identity:#x}: no accelerator at this address; name it as in the design')
        shape = self._read(Register.SHAPE)
        widths, expected = (shape & 0xFF, shape >> 16), (self.program['word_bytes'], self.program['code_bytes'])
        if widths != expected:
            raise AcceleratorError(f'array {widths[0]}: the bundle is for {expected[0]}; load its own bitstream')

    def _read(self, register: Register) -> int:
        return int(self.registers.read(int(register)))

    def _write(self, register: Register, value: int) -> None:
        self.registers.write(int(register), int(value))


def driver_text() -> str:
    """The text of rtl/driver.py: this file with its neighbours in the bundle."""
    text = Path(__file__).read_text().split('\n\ndef driver_text')[0] + '\n'
    return text.replace('from ..axi.register_map', 'from register_map').replace('from .host', 'from host')
