"""Runs programs on the Verilog of `AxiAccelerator`: code and words in one memory behind its bus, with Verilator. Ours.

The memory is as slow and as strange as AXI allows: ready and valid are withheld at random, a burst reads what is there
when its address is taken, and what is written is not there before the write is answered.
"""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..axi.bus import PAGE
from ..axi.memory_image import code_bytes
from ..axi.register_map import Error
from ..axi.verilog import axi_verilog
from ..compiler.program import Program
from ..hardware.sizes import Sizes
from .axi_harness import AXI_HARNESS
from .simulate import build

ORIGIN = (1 << 32) - 3 * PAGE  # byte address of the memory: what lies in it crosses 4 GB
FAILURES = {
    3: 'a read beyond the memory',
    4: 'a write beyond the memory',
    5: 'no interrupt',
    6: 'a burst across a page, or not at a beat',
    7: 'a last beat that is not the last one',
    8: 'an interrupt before the bus is idle',
}


@dataclass(frozen=True)
class AxiRun:
    """Of one program.

    Attributes:
        outside: (words, N) uint8, the memory outside at the end.
        cycles: as its register says.
    """

    outside: np.ndarray
    cycles: int


class AxiSimulator:
    """The accelerator of ``sizes`` behind AXI with ``beat`` bytes a beat (N if not given), built when it is first run.

    Args:
        folder: where builds are kept.
    """

    def __init__(self, sizes: Sizes, beat: int | None = None, folder: Path = Path('work_dirs/fpga_builds')):
        self.sizes, self.beat, self.folder = sizes, beat or sizes.n, Path(folder)
        self._binary: Path | None = None

    def run_program(self, program: Program, latency: int = 20, stalls: int = 0, seed: int = 0) -> AxiRun:
        """A program, started and read by its registers.

        Args:
            latency: cycles of the answer to a burst.
            stalls: percent of the cycles in which each ready and each valid of the bus is withheld, by ``seed``.
            seed: of the stalls, of what registers and memories hold at the start, and of the memory around.

        Raises:
            UserError: a tool is missing.
            RuntimeError: a breach of AXI, an end with an error, none, or bytes that changed outside the program's.
        """
        text = axi_verilog(self.sizes, self.beat)
        self._binary = self._binary or build(text, 'axi_accelerator', AXI_HARNESS, self.folder)
        code, image = code_bytes(program.instructions, self.sizes.n), program.outside.tobytes()
        code_at = PAGE
        words_at = code_at + -(-len(code) // PAGE) * PAGE
        before = np.random.default_rng(seed).integers(0, 256, words_at + len(image) + PAGE, dtype=np.uint8)
        before[code_at : code_at + len(code)] = np.frombuffer(code, np.uint8)
        mine = slice(words_at, words_at + len(image))
        before[mine] = np.frombuffer(image, np.uint8)
        with tempfile.TemporaryDirectory() as name:
            files = Path(name) / 'before', Path(name) / 'after'
            before.tofile(files[0])
            count = len(program.instructions)
            words = [self._binary, *files, ORIGIN, self.beat, code_at, words_at, count, latency, stalls, seed]
            done = subprocess.run([str(x) for x in words], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f'{program.name}: {FAILURES.get(done.returncode, done.stderr)}')
            after = np.fromfile(files[1], np.uint8)
        error, taken, cycles = (int(x) for x in done.stdout.split())
        if error or taken != count:
            raise RuntimeError(f'{program.name}: instruction {taken} of {count}: error {Error(error)!r}')
        outside, before[mine] = after[mine].copy(), after[mine]
        if changed := np.count_nonzero(after != before):
            raise RuntimeError(f'{program.name}: {changed} bytes changed outside the program')
        return AxiRun(outside.reshape(program.outside.shape), cycles)
