"""Builds the model of `AxiAccelerator` for cocotb and runs random programs on it."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from detplug.errors import UserError
from plugins.fpga.axi.verilog import axi_verilog
from plugins.fpga.hardware.sizes import Sizes
from plugins.fpga.simulation.simulate import COMPILE, VERILATE, compile_sources, missing_tool, verilate

TOP = 'axi_accelerator'
PORTS = f'`verilator_config\npublic_flat_rw -module "{TOP}" -var "*"\n'
MODULE, HERE = 'fpga_axi_cocotb', Path(__file__).parent


def missing_cocotb() -> str | None:
    """What these simulations need and do not find; None when all is there."""
    for package, module in (('cocotb', 'cocotb'), ('cocotbext-axi', 'cocotbext')):
        if find_spec(module) is None:
            return f'{package} is not installed: run make setup'
    return missing_tool()


def build_axi(sizes: Sizes, beat: int, folder: Path) -> Path:
    """The program that simulates the design under cocotb, made unless it is there.

    Raises:
        UserError: a tool is missing.
    """
    if missing := missing_cocotb():
        raise UserError(f'simulation: tools: {missing}')
    from cocotb_tools.config import libs_dir, share_dir

    text = axi_verilog(sizes, beat)
    main = share_dir / 'lib' / 'verilator' / 'verilator.cpp'
    parts = [text, main.read_text(), PORTS, str(libs_dir), *VERILATE, *COMPILE]
    folder = folder.resolve()
    binary = folder / hashlib.sha256('\n'.join(parts).encode()).hexdigest()[:16] / 'simulate'
    if binary.exists():
        return binary
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        (place / f'{TOP}.v').write_text(text)
        (place / 'ports.vlt').write_text(PORTS)
        verilate(place, TOP, ('--vpi', '--prefix', 'Vtop', 'ports.vlt'))
        links = (f'-L{libs_dir}', f'-Wl,-rpath,{libs_dir}', '-lcocotbvpi_verilator')
        compile_sources(place, main, ('verilated', 'verilated_threads', 'verilated_vpi'), links)
        binary.parent.mkdir(exist_ok=True)
        (place / 'simulate').replace(binary)
    return binary


def run_axi(sizes: Sizes, beat: int, seeds: Sequence[int], out: Path, folder: Path) -> None:
    """Random programs, one a seed, on the design with ``beat`` bytes a beat; a line of json each is added to ``out``.

    Raises:
        UserError: a tool is missing.
        RuntimeError: the simulator fails: the slave model saw a breach of AXI.
    """
    binary = build_axi(sizes, beat, folder)
    import find_libpython
    from cocotb_tools import config

    words = asdict(sizes) | {'seeds': list(seeds), 'out': str(out.resolve())}
    environment = os.environ | {
        'DETPLUG_AXI_RUNS': json.dumps(words),
        'COCOTB_TOPLEVEL': TOP,
        'COCOTB_TEST_MODULES': MODULE,
        'TOPLEVEL_LANG': 'verilog',
        'COCOTB_TRUST_INERTIAL_WRITES': '1',
        'COCOTB_LOG_LEVEL': 'WARNING',
        'PYGPI_PYTHON_BIN': sys.executable,
        'GPI_USERS': f'{find_libpython.find_libpython()};{config.pygpi_entry_point()}',
        'PYTHONPATH': os.pathsep.join([str(HERE), *(x for x in sys.path if x)]),
    }
    with tempfile.TemporaryDirectory() as place:
        environment['COCOTB_RESULTS_FILE'] = str(Path(place) / 'results.xml')
        done = subprocess.run([str(binary)], cwd=place, env=environment, capture_output=True, text=True)
        results = Path(place) / 'results.xml'
        if done.returncode or not results.exists() or '<failure' in results.read_text():
            raise RuntimeError(f'the simulation failed: {(done.stdout + done.stderr)[-3000:]}')
