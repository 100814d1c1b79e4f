"""Boards: what an FPGA has, and what is assumed of its clock and memory.

Blocks are those of the makers' data sheets (Zynq-7000 DS190, Zynq UltraScale+ DS891, Alveo U250 DS962), the whole chip,
shells not taken off. The bytes of a second are the peak of one memory: 16 bits of DDR3-1050, 64 bits of DDR4-2400. Peak
and clock are assumptions: neither is measured, and no place-and-route shows that the accelerator meets the clock.
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path

from detplug.errors import UserError

BOARDS = Path(__file__).with_name('boards.json')


@dataclass(frozen=True)
class Board:
    """One FPGA on a board.

    Attributes:
        part: of AMD's tools, with package and speed grade.
        family: of yosys' synth_xilinx: xc7 or xcup.
        bram36: memory blocks of 36 kbit.
        uram: memory blocks of 288 kbit, which the accelerator does not use.
        ddr_bytes_per_second: assumed, of the memory outside.
        clock_mhz: assumed.
    """

    name: str
    part: str
    family: str
    dsp: int
    bram36: int
    lut: int
    ff: int
    ddr_bytes_per_second: float
    clock_mhz: float
    uram: int = 0

    @property
    def memory_bytes(self) -> float:
        """Of all memory blocks on the chip."""
        return (self.bram36 * 36 + self.uram * 288) * 1024 / 8


def known_boards() -> dict[str, Board]:
    """By name."""
    return {board.name: board for board in (board_of(values, BOARDS.name) for values in read_json(BOARDS))}


def read_board(name: str | Path) -> Board:
    """A known board, or one that a user describes in a json file with the fields of :class:`Board`.

    Raises:
        UserError: no such board, no such file, or a field that is missing, unknown or wrong.
    """
    boards = known_boards()
    if str(name) in boards:
        return boards[str(name)]
    if Path(name).suffix != '.json':
        raise UserError(f'board: {name}: not known; take one of {", ".join(boards)}, or a json file with its fields')
    return board_of(read_json(Path(name)), str(name))


def read_json(path: Path):
    """What a file holds."""
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        reason = ' '.join(str(error).split())
        raise UserError(f'{path}: does not open as json ({reason}); see boards.json of plugins/fpga/cost') from error


def board_of(values, file: str) -> Board:
    """The board of one json object; ``file`` names it in errors."""
    if not isinstance(values, dict):
        raise UserError(f'{file}: board: {type(values).__name__} found; write one object with the fields of a board')
    kinds = {x.name: x.type for x in fields(Board)}
    for name in [x.name for x in fields(Board) if x.name not in values and x.name != 'uram']:
        raise UserError(f'{file}: {name}: missing; write it')
    for name, value in values.items():
        if name not in kinds:
            raise UserError(f'{file}: {name}: no field of a board; take one of {", ".join(kinds)}')
        check(name, value, kinds[name], file)
    return Board(**values)


def check(name: str, value, kind: type, file: str) -> None:
    """Refuse a value that its field does not hold."""
    if kind is str:
        right, wanted = isinstance(value, str) and bool(value), 'a text'
    else:
        kinds = int if kind is int else int | float
        right = isinstance(value, kinds) and not isinstance(value, bool)
        right = right and (0 <= value < float('inf') if name == 'uram' else 0 < value < float('inf'))
        wanted = 'a whole number above 0' if kind is int else 'a number above 0'
    if name == 'family':
        right, wanted = value in ('xc7', 'xcup'), 'xc7 or xcup'
    if not right:
        raise UserError(f'{file}: {name}: {value!r} found; write {wanted}')
