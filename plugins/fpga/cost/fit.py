"""Whether the accelerator fits a board, and how many frames a second follow from an assumed clock. Ours."""

from dataclasses import dataclass

from detplug.errors import UserError

from .boards import Board
from .network import Cost
from .resources import Resources


@dataclass(frozen=True)
class Fit:
    """The accelerator on a board.

    Attributes:
        shares: of what the board has, by name: 1 is all of it.
    """

    board: Board
    shares: dict[str, float]

    @property
    def fits(self) -> bool:
        """Whether the board has enough of everything; that it can be placed and routed is not shown."""
        return all(share <= 1 for share in self.shares.values())

    @property
    def too_much(self) -> tuple[str, ...]:
        """What the board has too little of."""
        return tuple(name for name, share in self.shares.items() if share > 1)


def fit(board: Board, resources: Resources, family: str) -> Fit:
    """Shares of a board.

    Args:
        family: for which the resources were found.

    Raises:
        UserError: another family than the board's.
    """
    if family != board.family:
        raise UserError(f'{board.name}: family: resources of {family}; synthesise for {board.family}')
    used = {
        'DSP': (resources.dsp, board.dsp), 'BRAM': (resources.bram, board.bram36),
        'LUT': (resources.lut, board.lut), 'FF': (resources.ff, board.ff),
    }  # fmt: skip
    return Fit(board, {name: needed / available for name, (needed, available) in used.items()})


def frame_seconds(board: Board, cost: Cost) -> float:
    """An estimate: cycles over the assumed clock, or bytes over the assumed rate of the memory, whichever is longer.

    Args:
        cost: of a frame.
    """
    return max(cost.cycles / (board.clock_mhz * 1e6), cost.bytes / board.ddr_bytes_per_second)
