"""The simulated accelerator against the integer network: equal bit for bit, or refused with the first bad map. Ours."""

from dataclasses import dataclass

import numpy as np

from detplug.errors import UserError

from ..compiler.network import NetworkProgram
from .cycles import timeline
from .simulate import Simulator


@dataclass(frozen=True)
class Checked:
    """What was equal.

    Attributes:
        maps: of all operations, but those that never leave the chip.
        values: that these maps have.
        cycles: that the program took; every instruction ended when the cycle model says.
    """

    maps: int
    values: int
    cycles: int


def check_program(simulator: Simulator, compiled: NetworkProgram, x: np.ndarray) -> Checked:
    """Run a network on the integers x (C, H, W) and compare the maps of all operations, and the cycles.

    Raises:
        UserError: a map differs; the first one, in the order in which they are made, is named. Or the cycles differ.
    """
    network = compiled.network
    wanted, program = network.run(x[None]), compiled.program(x)
    run = simulator.run_program(program)
    ops = [op for op in network.ops if op.name not in compiled.fused]
    for op in ops:
        simulated, expected = compiled.map(op.name, run.outside), wanted[op.name][0]
        if wrong := int(np.count_nonzero(simulated != expected)):
            problem = f'{wrong} of {expected.size} values of the simulated accelerator differ from the network'
            raise UserError(f'{op.name}: {problem}; compile the network again')
    ends = tuple(x.end for x in timeline(program.instructions, compiled.sizes.n))
    if run.ends != ends:
        raise UserError(f'{program.name}: {run.cycles} cycles simulated, {max(ends)} counted; mend the model')
    return Checked(len(ops), sum(wanted[op.name].size for op in ops), run.cycles)
