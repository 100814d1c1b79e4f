"""The accelerator of a bundle: Verilog, instruction stream and memory images, layers of it simulated before.

Files of ``rtl``: accelerator.v; instructions.bin, little endian, INSTRUCTION_BITS / 8 bytes each; memory.bin, the
memory outside at the start with the first golden image in it; program.json, where each map lies in it.
"""

import json
from pathlib import Path

import numpy as np

from detplug.errors import UserError

from ..accelerator.cycles import total_cycles
from ..accelerator.instructions import INSTRUCTION_BITS, encode
from ..accelerator.network import network_program
from ..accelerator.program import conv_program
from ..accelerator.simulate import Simulator
from ..accelerator.sizes import Sizes
from ..accelerator.verilog import verilog
from ..integer_network import Conv, IntegerNetwork
from .settings import Settings


def sizes_of(settings: Settings) -> Sizes:
    """Of the accelerator: memories of 256 KiB, enough for YOLOv5n's widest layer, whatever the width."""
    depth = 16384 * max(16 // settings.array, 1)
    return Sizes(settings.array, activations=depth, weights=depth)


def write_rtl(folder: Path, network: IntegerNetwork, maps: dict[str, np.ndarray], settings: Settings) -> dict:
    """``folder``/rtl, after ``settings.simulated`` convolutions gave what the network gives.

    Args:
        maps: all maps of the golden images by name.

    Raises:
        UserError: a layer differs; it is named.
    """
    sizes, place = sizes_of(settings), folder / 'rtl'
    place.mkdir()
    ops = [op for op in network.ops if isinstance(op, Conv)]
    chosen = [ops[i] for i in sorted(set(np.linspace(0, len(ops) - 1, min(settings.simulated, len(ops))).astype(int)))]
    error = max(check_layer(Simulator(sizes), op, network, maps) for op in chosen)
    whole = network_program(network, sizes)
    program = whole.program(maps[network.input][0])
    size = INSTRUCTION_BITS // 8
    (place / 'accelerator.v').write_text(verilog(sizes))
    code = b''.join(encode(x).to_bytes(size, 'little') for x in program.instructions)
    (place / 'instructions.bin').write_bytes(code)
    (place / 'memory.bin').write_bytes(program.outside.tobytes())
    formats = network.formats
    described = {
        'array': sizes.n,
        'word_bytes': sizes.n,
        'instruction_bytes': size,
        'instructions': len(program.instructions),
        'maps': {
            name: dict(word=int(start), frac=formats[name].frac) for name, start in whole.placement.starts.items()
        },
    }
    (place / 'program.json').write_text(json.dumps(described, indent=2) + '\n')
    return {
        'simulated_layers': [op.name for op in chosen],
        'mismatches': 0,
        'cycle_model_error': error,
        'cycles': total_cycles(program.instructions, sizes.n),
    }


def check_layer(simulator: Simulator, op: Conv, network: IntegerNetwork, maps: dict[str, np.ndarray]) -> float:
    """Simulate one convolution on the first golden image; the relative error of the cycle model.

    Raises:
        UserError: a value differs.
    """
    x, source = maps[op.sources[0]][0], network.formats[op.sources[0]]
    made, cycles = simulator.run(op, x, source)
    if wrong := int(np.count_nonzero(made != maps[op.name][0])):
        raise UserError(f'fpga: {op.name}: the simulated RTL differs from the network in {wrong} values; export again')
    return abs(total_cycles(conv_program(op, x, source, simulator.sizes).instructions, simulator.sizes.n) / cycles - 1)
