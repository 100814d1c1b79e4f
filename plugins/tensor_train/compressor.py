"""What tools/compress.py calls: a folder with the compressed detector, the config that trains it on, and a report."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmdet.models.detectors import SemiBaseDetector
from mmengine.config import Config
from torch import nn

from detplug.compression.compressors import CompressRequest, register_compressor
from detplug.engine.checkpoint import load_file, save_atomic
from detplug.errors import UserError
from detplug.export.bundle import write_manifest

from .calibration import calibration_data
from .compress import Compression, chain_ranks, has_convolutions
from .compressed import compressible
from .fine_tuning_configs import HERE, write_configs
from .measured_again import check_measures, ranks_measured_again
from .ranks.selectors import SELECTORS
from .ranks_file import read_ranks, write_ranks
from .report import COLUMNS, layer_rows, write_report

RANKS, INIT = 'sensitivity', 'activation'  # where the command line says nothing


def add_options(parser: ArgumentParser) -> None:
    """What only this compressor takes."""
    parser.add_argument('--ranks', help=f'selector, or FILE.csv of an earlier run; default {RANKS}')
    parser.add_argument(
        '--measure-again', action='store_true', help='measure the layers again after half of the cut; sensitivity alone'
    )
    parser.add_argument('--init', choices=('svd', 'activation'), help=f'how kept weights begin; default {INIT}')
    parser.add_argument('--modules', help='pattern of the layers that may change; default backbone and neck')
    parser.add_argument('--images', type=int, help='of the training split, for calibration; default 64')
    parser.add_argument('--fold-bn', action='store_true', help='make batch norms part of convolutions')
    parser.add_argument('--relu', action='store_true', help='ReLU in place of other activations, for an FPGA')
    parser.add_argument('--threads', type=int, help='of the deployment, for --budget-kind latency; default 1')
    parser.add_argument('--rank-multiple', type=int, help='every rank is a multiple, for an N x N array N; default 1')


def why_no_budget(settings: Mapping) -> str:
    """A file of ranks is there in place of a selector and a budget."""
    ranks = settings.get('ranks', RANKS)
    return f'{ranks} gives every rank' if ranks.endswith('.csv') else ''


@register_compressor('tensor_train', add_options, why_no_budget)
def compress_detector(request: CompressRequest, folder: Path) -> dict[str, float | str]:
    """Write compressed.pth, config.py, distill.py, ranks.csv, report.html into ``folder``.

    Settings: ``ranks`` (name of a selector, or FILE.csv), ``measure_again`` (ranks in two stages), ``init`` (how kept
    weights begin), ``modules`` (pattern of layer names), ``images`` (of calibration), ``fold_bn``, ``relu``,
    ``rank_multiple``, ``threads`` (for a budget of latency).

    A detector that a compression made is compressed further: config.py says the new ranks of the same dense type, and
    what distill.py already learns from stays the teacher.

    Raises:
        UserError: a model without convolutions, a budget that no ranks reach, a file of ranks that do not fit, a
            selection that cannot measure again.
    """
    settings = dict(request.settings)
    choice, init, again = settings.pop('ranks', RANKS), settings.pop('init', INIT), settings.pop('measure_again', False)
    if again:
        check_measures(choice)
    if not request.shares:
        table = read_ranks(Path(choice))
    else:
        SELECTORS.find(choice)
    if not has_convolutions(request.model):
        raise UserError(f'{request.cfg.filename}: model: no convolution that has a chain; there is nothing to compress')
    if isinstance(request.model, SemiBaseDetector):
        raise UserError(
            f'{request.cfg.filename}: model: {type(request.model).__name__} is a student and a teacher; compress a '
            "plain detector, and give its ranks.csv here: detector=dict(type='TTCompressed', of=..., ranks=...)"
        )
    if 'threads' in settings and 'latency' not in request.shares:
        raise UserError('--threads: counts for --budget-kind latency alone; leave it out')
    dense, flags = dense_config(request.cfg)
    data = calibration_data(request.model, request.cfg, request.img_size, settings.pop('images', 64))
    work = Compression(request.model, data, cfg=request.cfg, **settings)
    if not request.shares:
        ranks, scores = table, {}
    elif again:
        ranks, scores = ranks_measured_again(work, choice, request.shares)
    else:
        ranks, scores = work.ranks(choice, request.shares), work.scores(choice)
    model = work.build(ranks, init)
    rows = layer_rows(work.layers, ranks, scores)
    facts: dict[str, float | str] = {'layers compressed': f'{len(ranks)} of {len(work.layers)}'}
    if words := without_chain(work.model, work.convs):
        facts['convolutions without a chain'] = words
    for kind in dict.fromkeys(('params', 'macs', *request.shares)):
        cost = work.cost(kind)
        facts |= {f'{kind} before': cost(work.start), f'{kind} after': cost(ranks)}
    write_ranks(folder / 'ranks.csv', [*rows, *other_rows(work)])
    asked = {'ranks': choice, 'init': init} | ({'measure_again': True} if again else {})
    write_report(folder, request, {name: str(value) for name, value in asked.items()}, rows, facts)
    saved = load_file(request.checkpoint)
    save_atomic({'meta': saved.get('meta', {}), 'state_dict': model.state_dict()}, folder / 'compressed.pth')
    flags |= {name: True for name in ('fold_bn', 'relu') if settings.get(name)}
    chains = {'type': 'TTCompressed', 'of': dense['type'], 'ranks': f'{HERE}/ranks.csv', **flags}
    write_configs(request, folder, dense | chains)
    budget = {'budget': request.budget, 'budget_kind': request.budget_kind}
    write_manifest(folder, {'format': 'tensor_train', **budget, **asked, **facts})
    return facts


def other_rows(work: Compression) -> list[dict]:
    """Rows of the chains that stay as they are, outside the layers that may change."""
    empty = dict.fromkeys(COLUMNS, '')
    return [
        empty | {'layer': name, 'ranks': ' '.join(map(str, layer_ranks))}
        for name, layer_ranks in chain_ranks(work.model).items()
    ]


def dense_config(cfg: Config) -> tuple[dict, dict[str, bool]]:
    """The ``model`` of a config without chains, and the flags of TTCompressed that it was built with.

    Raises:
        UserError: a part of the model, not the whole, is made of chains.
    """
    model = cfg.model.to_dict()
    flags = {}
    if model['type'] == 'TTCompressed':
        flags = {name: model.pop(name) for name in ('fold_bn', 'relu') if name in model}
        model['type'] = model.pop('of')
        del model['ranks']
    if 'TTCompressed' in repr(model) or 'TTYOLOv5Backbone' in repr(model):
        raise UserError(
            f'{cfg.filename}: model: a part of it is made of chains; compress a detector whose `model` is dense or '
            "dict(type='TTCompressed', of=...)"
        )
    return model, {name: True for name, value in flags.items() if value}


def without_chain(model: nn.Module, convs: Mapping[str, Sequence]) -> str:
    """How many convolutions of each type can be no chain, '3 DCN, 12 grouped'; empty where all can."""
    modules = dict(model.named_modules())
    kinds = Counter(
        'grouped' if modules[name].groups > 1 else type(modules[name]).__name__
        for name in convs
        if not compressible(modules[name])
    )
    return ', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))
