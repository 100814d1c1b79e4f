"""The accelerator of a bundle: Verilog, instructions, memory, host's side; the whole program simulated before.

Files of ``rtl``: accelerator.v, the core; axi_accelerator.v, with its AXI ports; instructions.bin, little endian,
INSTRUCTION_BITS / 8 bytes each, for the core's port; code.bin, the same in whole words, as the AXI design fetches them;
memory.bin, the memory outside at the start with the first golden image in it; program.json, what lies where in it;
host.py, driver.py and register_map.py for the processor.
"""

import json
import shutil
from pathlib import Path

import numpy as np

from ..axi import register_map
from ..axi.memory_image import code_bytes, instruction_bytes
from ..axi.verilog import axi_verilog
from ..compiler.layout import blocks
from ..compiler.network import NetworkProgram, network_program
from ..hardware.instructions import INSTRUCTION_BITS, encode
from ..hardware.verilog import verilog
from ..integers.integer_network import IntegerNetwork
from ..integers.map_shapes import map_shapes
from ..simulation.simulate import Simulator
from ..simulation.verify import check_program
from .driver import driver_text
from .host import host_text
from .settings import Settings, sizes_of


def write_rtl(folder: Path, network: IntegerNetwork, maps: dict[str, np.ndarray], settings: Settings) -> dict:
    """``folder``/rtl, after every map of the simulated program equalled the network's.

    Args:
        maps: all maps of the golden images by name.

    Raises:
        UserError: a map differs; it is named. Or an operation that the accelerator cannot run.
    """
    sizes, place = sizes_of(settings), folder / 'rtl'
    place.mkdir()
    compiled, image = network_program(network, sizes), maps[network.input][0]
    checked = check_program(Simulator(sizes), compiled, image)
    program, size = compiled.program(image), INSTRUCTION_BITS // 8
    (place / 'accelerator.v').write_text(verilog(sizes))
    (place / 'axi_accelerator.v').write_text(axi_verilog(sizes))
    (place / 'instructions.bin').write_bytes(b''.join(encode(x).to_bytes(size, 'little') for x in program.instructions))
    (place / 'code.bin').write_bytes(code_bytes(program.instructions, sizes.n))
    (place / 'memory.bin').write_bytes(program.outside.tobytes())
    (place / 'program.json').write_text(json.dumps(described(compiled, len(program.instructions)), indent=2) + '\n')
    (place / 'host.py').write_text(host_text())
    (place / 'driver.py').write_text(driver_text())
    shutil.copyfile(register_map.__file__, place / 'register_map.py')
    return {
        'maps_checked': checked.maps,
        'values_compared': checked.values,
        'mismatches': 0,
        'images_simulated': 1,
        'cycle_model_error': 0,
        'cycles': checked.cycles,
    }


def described(compiled: NetworkProgram, instructions: int) -> dict:
    """program.json: all that is needed to put any image in and to read any map.

    A map lies block after block of N channels, the last one filled up with zeros; in a block row after row, place
    after place; a place is N bytes, or of 32-bit sums 4 x N bytes, little endian; q stands for (q - zero) * 2 **
    -frac. Of a map that is folded 2 x 2 squares of pixels lie side by side as channels. ``lanes`` say where each
    channel is among those of all blocks.
    """
    network, n = compiled.network, compiled.sizes.n
    shapes, laid_out, entries = map_shapes(network), map_shapes(compiled.lowered.network), {}
    for name, start in compiled.placement.starts.items():
        form, view, (width, rows, cols) = network.formats[name], compiled.lowered.views[name], laid_out[name]
        count = blocks(width, n)
        entries[name] = {
            'word': int(start),
            'words': count * rows * cols * (form.bits // 8),
            'shape': [int(size) for size in shapes[name]],
            'blocks': count,
            'lanes': view.lanes.tolist(),
            'bits': form.bits,
            'signed': bool(form.signed),
            'frac': int(form.frac),
            'zero': int(form.zero),
            'folded': view.folded,
        }
    return {
        'array': n,
        'word_bytes': n,
        'instruction_bytes': INSTRUCTION_BITS // 8,
        'code_bytes': instruction_bytes(n),
        'instructions': instructions,
        'words': int(compiled.placement.words + len(compiled.constants)),
        'input': network.input,
        'outputs': list(network.outputs),
        'maps': entries,
    }
