"""report.html of a bundle: the cost of its network on the array it was written for, and the board it is meant for."""

import json
from pathlib import Path

from ..hardware.sizes import Sizes
from ..integers.integer_network import Conv, IntegerNetwork
from .boards import Board, read_board
from .network import costs_of
from .report import write_report
from .resources import Resources, design_hash

MEASURED = Path(__file__).with_name('resources.json')  # written by benchmarks/fpga_resources.py


def write_bundle_report(folder: Path, network: IntegerNetwork, board: str, sizes: Sizes) -> Board:
    """Write report.html into ``folder``; returns the board.

    Resources are those measured before for the same Verilog; for another design the page shows none.

    Args:
        network: with cores where kernels are rebuilt on the chip; its forms are then all three, otherwise it runs as it
            is.
        board: name, or a json file.

    Raises:
        UserError: no such board.
    """
    target = read_board(board)
    rebuilt = any(isinstance(op, Conv) and op.cores is not None for op in network.ops)
    costs = {
        form: costs_of(network, form, sizes) for form in (('dense', 'chain', 'rebuild') if rebuilt else ('dense',))
    }
    if not rebuilt:
        costs = {'as it is': costs['dense']}
    name = f'{network.input_shape[1]} px, {sizes.n} x {sizes.n}'
    write_report(folder, name, costs, sizes, measured_resources(sizes), [target])
    return target


def measured_resources(sizes: Sizes) -> dict[str, Resources]:
    """Family -> what the accelerator takes; empty for a design that was not synthesised, or has changed since."""
    kept = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    return {family: Resources(**values) for family, values in kept.get(design_hash(sizes), {}).items()}
