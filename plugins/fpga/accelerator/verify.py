"""The simulated accelerator against the integer network: equal bit for bit, or refused with the first bad map. Ours."""

import numpy as np

from detplug.errors import UserError

from .network import NetworkProgram
from .simulate import Simulator


def check_program(simulator: Simulator, compiled: NetworkProgram, x: np.ndarray) -> int:
    """Run a network on the integers x (C, H, W) and compare the maps of all operations; how many values they have.

    Raises:
        UserError: a map differs; the first one, in the order in which they are made, is named.
    """
    network = compiled.network
    wanted = network.run(x[None])
    outside = simulator.run_program(compiled.program(x)).outside
    for op in network.ops:
        made, right = compiled.map(op.name, outside), wanted[op.name][0]
        if wrong := int(np.count_nonzero(made != right)):
            problem = f'{wrong} of {right.size} values of the simulated accelerator differ from the network'
            raise UserError(f'{op.name}: {problem}; compile the network again')
    return sum(wanted[op.name].size for op in network.ops)
