"""C simulation: run the compiled library on integers, in a process of its own because it may end the process."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from detplug.errors import UserError

from .project import NAME, Project

RUNNER = Path(__file__).with_name('run_library.py')


def simulate(project: Project, q: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of the compiled project.

    Args:
        project: compiled.
        q: (N, C, H, W) integers in the format of the network's input.

    Returns:
        (N, C, H, W) float64 by name, in integers of the network's formats; a fraction is a mismatch.

    Raises:
        UserError: not compiled, or the library ends the process.
    """
    return run(project, q, project.outputs)


def simulate_all(project: Project, q: np.ndarray) -> dict[str, np.ndarray]:
    """Every map that an operation makes, as :func:`simulate` gives the outputs."""
    return run(project, q, tuple(op.name for op in project.network.ops), trace=True)


def run(project: Project, q: np.ndarray, names: tuple[str, ...], trace: bool = False) -> dict[str, np.ndarray]:
    """The maps ``names`` of the images ``q``; ``trace`` reads them between the layers."""
    if not project.library.exists():
        raise UserError(f'{project.library}: no such file; compile the project')
    network = project.network
    if q.shape[1:] != tuple(network.input_shape):
        raise UserError(f'images: {q.shape[1:]} instead of {tuple(network.input_shape)}; give (N, C, H, W)')
    values = np.ascontiguousarray(q.transpose(0, 2, 3, 1) * 2.0**-network.input_format.frac)
    sizes = [int(np.prod(project.shape(name))) for name in project.outputs]
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, 'given.npz'), Path(folder, 'made.npz')
        wanted = [project.layers[name] for name in names] if trace else []
        trace_sizes = [int(np.prod(project.shape(name))) for name in names] if trace else []
        np.savez(given, x=values, sizes=sizes, traced=np.array(wanted, dtype=str), trace_sizes=trace_sizes)
        command = [sys.executable, str(RUNNER), str(project.library), NAME, str(given), str(made)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or not made.exists():
            said = (done.stderr or done.stdout).strip().splitlines() or ['without a word']
            raise UserError(f'{project.library}: simulation: ended with status {done.returncode} ({said[-1]}); rebuild')
        with np.load(made) as maps:
            return {name: integers(project, name, maps[str(place)]) for place, name in enumerate(names)}


def integers(project: Project, name: str, values: np.ndarray) -> np.ndarray:
    """Values (N, H W C) of a map in its integers (N, C, H, W); frac is the network's."""
    channels, height, width = project.shape(name)
    q = values.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
    return q * 2.0 ** project.network.formats[name].frac
