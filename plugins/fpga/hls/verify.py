"""The C simulation against the integer network: equal bit for bit, or refused with the first map that differs."""

import numpy as np

from detplug.errors import UserError

from .project import Project
from .simulate import simulate, simulate_all


def mismatches(project: Project, q: np.ndarray) -> dict[str, int]:
    """Values of each output that differ from the network's, for the images ``q`` (N, C, H, W), by name."""
    wanted = project.network.run(q)
    return {name: int(np.count_nonzero(made != wanted[name])) for name, made in simulate(project, q).items()}


def first_mismatch(project: Project, q: np.ndarray) -> str | None:
    """The first map, in the order in which they are made, that differs from the network's; None if all agree."""
    wanted = project.network.run(q)
    made = simulate_all(project, q)
    return next((name for name in made if not np.array_equal(made[name], wanted[name])), None)


def check_project(project: Project, q: np.ndarray) -> int:
    """Compare all outputs for the images ``q`` (N, C, H, W); the number of values compared.

    Raises:
        UserError: an output differs; the first map that differs is named. Or there is nothing to compare.
    """
    if not len(q):
        raise UserError('images: none to compare with; give at least one')
    mismatched = mismatches(project, q)
    bad = {name: count for name, count in mismatched.items() if count}
    if bad:
        name = first_mismatch(project, q) or next(iter(bad))
        layer = project.layers[name]
        raise UserError(
            f'{project.folder}: {name}: the C simulation differs from the network, first in layer {layer} '
            f'({sum(bad.values())} values of {", ".join(bad)}); write and compile the project again'
        )
    return sum(int(np.prod(project.shape(name))) for name in mismatched) * len(q)
