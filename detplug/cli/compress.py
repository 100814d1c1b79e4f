"""``compress CONFIG CHECKPOINT --budget F --out D``: a smaller detector, and the config that trains and exports it.

``--ranks FILE.csv``, the table that an earlier run wrote, takes no budget; nor does ``--method fpga``: all parameters
stay, with 8 bits each.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from rich.console import Console
    from rich.table import Table

    import detplug.register  # noqa: F401
    from detplug.cli.config import building, load_config
    from detplug.cli.detector import build_detector
    from detplug.cli.plugin import load_plugin
    from detplug.compression.compressors import BUDGETS, CompressRequest, compress
    from detplug.engine.device import AUTO, HELP, choose_device
    from detplug.export.pipeline import input_side

# what only one compressor knows; left to it where not given
SETTINGS = ('modules', 'images', 'fold_bn', 'relu', 'rank_multiple', 'form')


def main(argv: Sequence[str] | None = None) -> int:
    """Compress as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog='compress', description=__doc__)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--budget', type=float, help='share that is kept: 0.5 is 2x smaller; not with a file of ranks')
    parser.add_argument('--budget-kind', default='params', help=f'what is counted: {", ".join(BUDGETS)}')
    parser.add_argument(
        '--ranks',
        default='sensitivity',
        help='rank selector: sensitivity, lwiq, water_filling, uniform, energy, activation_energy; or FILE.csv',
    )
    parser.add_argument('--init', choices=('svd', 'activation'), default='activation', help='how the chains begin')
    parser.add_argument('--out', required=True, help='folder for compressed.pth, config.py and what the method adds')
    parser.add_argument('--modules', help='pattern of the layers that may change; default backbone and neck')
    parser.add_argument('--images', type=int, help='of the training split, for calibration; default 64, of fpga 32')
    parser.add_argument('--img-size', type=int, help="side of the square input, pixels; default the test pipeline's")
    parser.add_argument('--fold-bn', action='store_true', default=None, help='make batch norms part of convolutions')
    parser.add_argument('--relu', action='store_true', default=None, help='ReLU in place of SiLU, for an FPGA')
    parser.add_argument('--rank-multiple', type=int, help='every rank is a multiple, for an N x N array N; default 1')
    parser.add_argument('--form', choices=('chain', 'rebuild'), help='of Tensor-Train layers in --method fpga')
    parser.add_argument('--method', default='tensor_train', help='compressor, named as its plugin')
    parser.add_argument('--device', default=AUTO, help=f'for calibration and measurement: {HELP}')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    args = parser.parse_args(argv)
    device = choose_device(args.device)
    config = load_config(args.config, args.cfg_options, dict(device='--device', load_from='the checkpoint'))
    load_plugin(args.method)
    request = CompressRequest(
        build_detector(config, args.checkpoint, device),
        config,
        args.checkpoint,
        args.budget,
        args.budget_kind,
        args.ranks,
        args.init,
        input_side(config, args.img_size),
        {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None},
    )
    with building(config.filename):
        facts = compress(args.method, request, args.out)
    kept = '' if args.budget is None else f': {args.budget:g} of {args.budget_kind}, ranks {args.ranks}'
    table = Table(title=f'{args.method}{kept}', show_header=False)
    for name, value in facts.items():
        table.add_row(name, f'{value:,.0f}' if isinstance(value, int | float) else value)
    Console().print(table)
    for what, name in (('config', 'config.py'), ('checkpoint', 'compressed.pth'), ('report', 'report.html')):
        if (Path(args.out) / name).exists():
            print(f'{what:10} {args.out}/{name}')
    return 0
