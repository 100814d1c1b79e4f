"""Whether a detector fits the accelerator, and that the board, by shapes alone: before time is spent on it."""

from mmengine.config import Config
from torch import nn

from detplug.errors import UserError

from ..compiler.chip import Chip
from ..compiler.network import task_instructions
from ..compiler.program import place
from ..cost.boards import Board, read_board
from ..cost.layers import layers_of
from ..cost.torch_layers import network_of_model
from ..hardware.sizes import Sizes
from .settings import settings_of, sizes_of

BLOCK_BYTES = 36 * 1024 // 8  # of a memory block of 36 kbit


def check_fit(model: nn.Module, cfg: Config, side: int, form: str) -> None:
    """Refuse what could not be exported, in float or quantised.

    Args:
        side: of the square input, pixels.
        form: of Tensor-Train layers, ``chain`` or ``rebuild``.

    Raises:
        UserError: wrong settings, no such board, an accelerator that the board has no room for, or a layer that the
            accelerator's memories do not hold; its name and what is missing.
    """
    settings = settings_of(cfg)
    sizes = sizes_of(settings)
    check_board(read_board(settings.board), sizes, cfg.filename)
    for layer in layers_of(network_of_model(model, side), sizes.n):
        for task in layer.tasks(form):
            next(task_instructions(task, Chip(sizes), place(task.parts(sizes.n))))  # its plan is made before


def check_board(board: Board, sizes: Sizes, file: str | None) -> None:
    """Refuse more multipliers than a board has DSPs, or more memory than it has blocks.

    Raises:
        UserError: as :func:`check_fit`.
    """
    if sizes.multipliers > board.dsp:
        problem = f'array: {sizes.n}: {sizes.multipliers} DSP blocks, {board.name} has {board.dsp}'
        raise UserError(f'{file}: fpga: {problem}; give a smaller array or another board')
    blocks = -(-sizes.bytes // BLOCK_BYTES)
    if blocks > board.bram36:
        problem = f'memories: {sizes.bytes} bytes, {blocks} blocks at least, {board.name} has {board.bram36}'
        raise UserError(f'{file}: fpga: {problem}; give smaller memories or another board')
