"""What tools/compress.py calls: a folder with the compressed detector, the config that trains it on, and a report."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from mmdet.models.detectors import SemiBaseDetector
from mmengine.config import Config

from detplug.compression.compressors import CompressRequest, register_compressor
from detplug.engine.checkpoint import load_file, save_atomic
from detplug.errors import UserError
from detplug.export.bundle import write_manifest

from .calibration import calibration_data
from .compress import Compression, has_convolutions
from .ranks_file import read_ranks, write_ranks
from .report import layer_rows, write_report

HERE = '{{ fileDirname }}'  # mmengine puts the folder of the config file here


def add_options(parser: ArgumentParser) -> None:
    """What only this compressor takes."""
    parser.add_argument('--modules', help='pattern of the layers that may change; default backbone and neck')
    parser.add_argument('--images', type=int, help='of the training split, for calibration; default 64')
    parser.add_argument('--fold-bn', action='store_true', help='make batch norms part of convolutions')
    parser.add_argument('--relu', action='store_true', help='ReLU in place of SiLU, for an FPGA')
    parser.add_argument('--rank-multiple', type=int, help='every rank is a multiple, for an N x N array N; default 1')


@register_compressor('tensor_train', options=add_options)
def compress_detector(request: CompressRequest, folder: Path) -> dict[str, float | str]:
    """Write compressed.pth, config.py, distill.py, ranks.csv, report.html into ``folder``.

    Settings: ``modules`` (pattern of layer names), ``images`` (of calibration), ``fold_bn``, ``relu``,
    ``rank_multiple``.

    Raises:
        UserError: a model without convolutions, a budget that no ranks reach, a file of ranks that do not fit.
    """
    settings = dict(request.settings)
    if not has_convolutions(request.model):
        raise UserError(f'{request.cfg.filename}: model: no convolution that has a chain; there is nothing to compress')
    if isinstance(request.model, SemiBaseDetector):
        raise UserError(
            f'{request.cfg.filename}: model: {type(request.model).__name__} is a student and a teacher; compress a '
            "plain detector, and give its ranks.csv here: detector=dict(type='TTCompressed', of=..., ranks=...)"
        )
    data = calibration_data(request.model, request.cfg, request.img_size, settings.pop('images', 64))
    work = Compression(request.model, data, **settings)
    if request.ranks_file:
        ranks, scores = read_ranks(request.ranks_file), {}
    else:
        ranks = work.ranks(request.ranks, request.budget, request.budget_kind)
        scores = work.scores(request.ranks)
    model = work.build(ranks, request.init)
    rows = layer_rows(work.layers, ranks, scores)
    facts: dict[str, float | str] = {'layers compressed': f'{len(ranks)} of {len(work.layers)}'}
    for kind in ('params', 'macs'):
        cost = work.cost(kind)
        facts |= {f'{kind} before': cost({}), f'{kind} after': cost(ranks)}
    write_ranks(folder / 'ranks.csv', rows)
    write_report(folder, request, rows, facts)
    saved = load_file(request.checkpoint)
    save_atomic({'meta': saved.get('meta', {}), 'state_dict': model.state_dict()}, folder / 'compressed.pth')
    write_configs(request, folder, [name for name in ('fold_bn', 'relu') if settings.get(name)])
    names = ('budget', 'budget_kind', 'ranks', 'init')
    write_manifest(folder, {'format': 'tensor_train', **{name: getattr(request, name) for name in names}, **facts})
    return facts


def write_configs(request: CompressRequest, folder: Path, flags: Sequence[str]) -> None:
    """config.py, which fine-tunes and exports the compressed detector; distill.py, the same beside the dense one.

    ``flags``: arguments of TTCompressed that are true.
    """
    config = Config(request.cfg.to_dict())
    dense = request.cfg.model.to_dict()
    model = {**dense, 'type': 'TTCompressed', 'of': dense['type'], 'ranks': f'{HERE}/ranks.csv'}
    config.model = model | dict.fromkeys(flags, True)
    config.load_from = f'{HERE}/compressed.pth'
    imports = config.get('custom_imports', dict(imports=[], allow_failed_imports=False))
    imports['imports'] = [*imports['imports'], f'{__package__}.register']
    config.custom_imports = imports
    (folder / 'config.py').write_text(config.pretty_text)
    parts = {name: 1.0 for name in ('neck', 'bbox_head', 'rpn_head') if hasattr(request.model, name)}
    checkpoint = str(Path(request.checkpoint).resolve())
    hook = Config(dict(hook=dict(type='DistillationHook', teacher=dense, checkpoint=checkpoint, weights=parts)))
    (folder / 'distill.py').write_text(
        f"_base_ = 'config.py'\n{hook.pretty_text}custom_hooks = [*_base_.custom_hooks, hook]\n"
    )
