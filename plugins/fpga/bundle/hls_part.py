"""The HLS project of a bundle, compiled and simulated before it is kept."""

from math import prod
from pathlib import Path

import numpy as np

from detplug.errors import UserError

from ..cost.boards import Board
from ..hls.build import compile_project
from ..hls.cut import first_part, share
from ..hls.onnx_graph import hls_problem
from ..hls.project import write_project
from ..hls.verify import check_project
from ..integers.integer_network import IntegerNetwork
from ..integers.map_shapes import map_shapes
from .settings import Settings

# what build_prj.tcl of hls4ml reads; the C simulation was run by the export, and there are no vectors for another one
BUILD_OPTIONS = """array set opt {
    reset      1
    csim       0
    synth      1
    cosim      0
    validation 0
    export     1
    vsynth     0
    fifo_opt   0
}
"""


def write_hls(folder: Path, network: IntegerNetwork, q: np.ndarray, settings: Settings, board: Board) -> dict:
    """``folder``/hls: hls4ml's project of the network, or of the part that ends at ``settings.hls_ends``.

    Args:
        q: (N, C, H, W) golden inputs; the first is simulated.

    Raises:
        UserError: the C simulation differs; the first map that does is named.
    """
    part = first_part(network, [last_map(network, end) for end in settings.hls_ends]) if settings.hls_ends else network
    budget = min(settings.dsp_budget, board.dsp)
    project = write_project(part, folder / 'hls', budget, part=board.part, clock_ns=1000 / board.clock_mhz)
    (project.folder / 'build_opt.tcl').write_text(BUILD_OPTIONS)
    compiled = compile_project(project)
    values = check_project(project, q[:1])
    project.library.unlink()  # of this machine
    covered, fifos = share(part, network), fifo_bytes(part)
    return {
        'share_of_layers': covered.layers,
        'share_of_macs': covered.macs,
        'values_compared': values,
        'mismatches': 0,
        'compile_seconds': compiled.seconds,
        'compile_mb': compiled.megabytes,
        'dsps': project.dsps,
        'interval_cycles': project.interval,
        'fifo_bytes': fifos,
        'memory_bytes_of_board': int(board.memory_bytes),
        'fifos_fit': fifos <= board.memory_bytes,
    }


def takes_hls(network: IntegerNetwork, settings: Settings) -> bool:
    """Whether the bundle gets an HLS project; where it could not, and was not asked for, a line says so.

    Raises:
        UserError: it was asked for.
    """
    problem = next(filter(None, map(hls_problem, network.ops)), '')
    if not problem or settings.hls is False:
        return settings.hls is not False
    if settings.hls:
        raise UserError(f'fpga: hls: {problem}; give hls=False')
    print(f'hls: left out, {problem}')
    return False


def fifo_bytes(part: IntegerNetwork) -> int:
    """Of the streams between layers, which hls4ml makes as deep as a whole map: at least this, before any weight."""
    shapes, formats = map_shapes(part), part.formats
    return sum(prod(shapes[name]) * formats[name].bits // 8 for name in shapes)


def last_map(network: IntegerNetwork, begin: str) -> str:
    """The last map whose name begins with ``begin``.

    Raises:
        UserError: there is none.
    """
    names = [op.name for op in network.ops if op.name.startswith(begin)]
    if not names:
        names = ', '.join(op.name for op in network.ops[:3])
        raise UserError(f'fpga: hls_ends: {begin}: no map begins so; the network has {names}, ...')
    return names[-1]
