"""``fpga = dict(...)`` of a config: what the bundle of ``--format fpga`` holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from mmengine.config import Config

from detplug.errors import UserError

from ..cost.boards import read_board
from ..hardware.sizes import Sizes

ARRAYS = (4, 8, 16, 32, 64)
MEMORIES = tuple(x.name for x in fields(Sizes) if x.type is int and x.name != 'n')


@dataclass(frozen=True)
class Settings:
    """Of one bundle.

    Attributes:
        board: name of a board of plugins/fpga/cost/boards.json, or a json file of your own.
        array: N of the accelerator's N x N multipliers, one of ARRAYS.
        memories: depths of the accelerator's memories, in words, by the names of `Sizes`; the others are of 256 KiB
            (activations, weights), 512 sums and 64 biases, enough for YOLOv5n at 1024 px.
        paired: two products in one DSP block; none: where the board has too few for one product each.
        dsp_budget: multipliers of the HLS project.
        hls: whether the bundle has an HLS project; none: where hls4ml has a form for all of it, which activations by a
            table lack.
        hls_ends: maps where the HLS project ends, as ``backbone_stage1``: the last map whose name begins so; none: the
            whole network.
        images: golden inputs; the simulations use the first.
        passes: of plugins/fpga/passes.py, over the QONNX graph.
    """

    board: str = 'ZCU104'
    array: int = 16
    memories: Mapping[str, int] = field(default_factory=dict)
    paired: bool | None = None
    dsp_budget: int = 1024
    hls: bool | None = None
    hls_ends: Sequence[str] = ()
    images: int = 2
    passes: Sequence[dict] = ()


def settings_of(config: Config) -> Settings:
    """The settings of a config; defaults where it says nothing.

    Raises:
        UserError: a name that is no setting, a count below 1, no such array or memory, neither yes nor no.
    """
    values = dict(config.get('fpga') or {})
    known = [x.name for x in fields(Settings)]
    if unknown := sorted(set(values) - set(known)):
        raise UserError(f'{config.filename}: fpga: {unknown[0]}: no such setting; one of {", ".join(known)}')
    settings = Settings(**values)
    for name in ('dsp_budget', 'images'):
        if getattr(settings, name) < 1:
            raise UserError(f'{config.filename}: fpga: {name}: {getattr(settings, name)}; give at least 1')
    for name in ('paired', 'hls'):
        if getattr(settings, name) not in (True, False, None):
            raise UserError(f'{config.filename}: fpga: {name}: {getattr(settings, name)!r}; give True, False or None')
    if settings.array not in ARRAYS:
        known = ', '.join(map(str, ARRAYS))
        raise UserError(f'{config.filename}: fpga: array: {settings.array}; give one of {known}, which AXI can address')
    check_memories(settings, config.filename)
    return settings


def sizes_of(settings: Settings) -> Sizes:
    """Of the accelerator.

    Raises:
        UserError: no such board.
        TypeError, ValueError: no such memory or depth; :func:`settings_of` has refused them.
    """
    times, plain = max(16 // settings.array, 1), Sizes()
    depths = {name: times * getattr(plain, name) for name in ('activations', 'weights', 'results', 'residuals')}
    paired = settings.paired
    if paired is None:
        paired = settings.array**2 > read_board(settings.board).dsp
    return Sizes(settings.array, paired=paired, **depths | dict(settings.memories))


def check_memories(settings: Settings, file: str | None) -> None:
    """Refuse memories that the accelerator does not have, and depths that its addresses do not reach.

    Raises:
        UserError: as :func:`settings_of`.
    """
    for name, depth in settings.memories.items():
        if name not in MEMORIES:
            raise UserError(f'{file}: fpga: memories: {name}: no such memory; one of {", ".join(MEMORIES)}')
        if not isinstance(depth, int) or depth < settings.array:
            raise UserError(f'{file}: fpga: memories: {name}: {depth}; give at least {settings.array} words')
    try:
        sizes_of(settings)
    except ValueError as error:
        raise UserError(f'{file}: fpga: memories: {error}; give another number') from error
