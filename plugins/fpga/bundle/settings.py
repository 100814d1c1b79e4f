"""``fpga = dict(...)`` of a config: what the bundle of ``--format fpga`` holds."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from mmengine.config import Config

from detplug.errors import UserError

ARRAYS = (4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Settings:
    """Of one bundle.

    Attributes:
        board: name of a board of plugins/fpga/cost/boards.json, or a json file of your own.
        array: N of the accelerator's N x N multipliers, one of ARRAYS.
        dsp_budget: multipliers of the HLS project.
        hls_ends: maps where the HLS project ends, as ``backbone_stage1``: the last map whose name begins so; none: the
            whole network.
        images: golden inputs; the simulations use the first.
        passes: of plugins/fpga/passes.py, over the QONNX graph.
    """

    board: str = 'ZCU104'
    array: int = 16
    dsp_budget: int = 1024
    hls_ends: Sequence[str] = ()
    images: int = 2
    passes: Sequence[dict] = ()


def settings_of(config: Config) -> Settings:
    """The settings of a config; defaults where it says nothing.

    Raises:
        UserError: a name that is no setting, a count below 1, or no such array.
    """
    values = dict(config.get('fpga') or {})
    known = [x.name for x in fields(Settings)]
    if unknown := sorted(set(values) - set(known)):
        raise UserError(f'{config.filename}: fpga: {unknown[0]}: no such setting; one of {", ".join(known)}')
    settings = Settings(**values)
    for name in ('dsp_budget', 'images'):
        if getattr(settings, name) < 1:
            raise UserError(f'{config.filename}: fpga: {name}: {getattr(settings, name)}; give at least 1')
    if settings.array not in ARRAYS:
        known = ', '.join(map(str, ARRAYS))
        raise UserError(f'{config.filename}: fpga: array: {settings.array}; give one of {known}, which AXI can address')
    return settings
