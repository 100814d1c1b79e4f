"""The HLS project of a bundle, compiled and simulated before it is kept."""

from pathlib import Path

import numpy as np

from detplug.errors import UserError

from ..hls.build import compile_project
from ..hls.cut import first_part, share
from ..hls.project import write_project
from ..hls.verify import check_project
from ..integer_network import IntegerNetwork
from .settings import Settings


def write_hls(folder: Path, network: IntegerNetwork, q: np.ndarray, settings: Settings) -> dict[str, float]:
    """``folder``/hls: hls4ml's project of the network, or of the part that ends at ``settings.hls_ends``.

    Args:
        q: (N, C, H, W) golden inputs; the first is simulated.

    Raises:
        UserError: the C simulation differs; the first map that does is named.
    """
    part = first_part(network, [last_map(network, end) for end in settings.hls_ends]) if settings.hls_ends else network
    project = write_project(part, folder / 'hls', settings.dsp_budget)
    compiled = compile_project(project)
    values = check_project(project, q[:1])
    project.library.unlink()  # of this machine
    found = share(part, network)
    return {
        'share_of_layers': found.layers,
        'share_of_macs': found.macs,
        'values_compared': values,
        'mismatches': 0,
        'compile_seconds': compiled.seconds,
        'compile_mb': compiled.megabytes,
        'dsps': project.dsps,
        'interval_cycles': project.interval,
    }


def last_map(network: IntegerNetwork, begin: str) -> str:
    """The last map whose name begins with ``begin``.

    Raises:
        UserError: there is none.
    """
    found = [op.name for op in network.ops if op.name.startswith(begin)]
    if not found:
        names = ', '.join(op.name for op in network.ops[:3])
        raise UserError(f'fpga: hls_ends: {begin}: no map begins so; the network has {names}, ...')
    return found[-1]
