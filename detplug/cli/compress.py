"""``compress CONFIG CHECKPOINT --budget F --out D``: a smaller detector, and the config that trains and exports it."""

import argparse
from collections.abc import Sequence

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from rich.console import Console
    from rich.table import Table

    import detplug.register  # noqa: F401
    from detplug.cli.config import building, load_config
    from detplug.cli.detector import build_detector
    from detplug.cli.plugin import load_plugin
    from detplug.compression.compressors import BUDGETS, CompressRequest, compress
    from detplug.export.manifest import input_side


def main(argv: Sequence[str] | None = None) -> int:
    """Compress as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog='compress', description=__doc__)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--budget', type=float, required=True, help='share that is kept: 0.5 is 2x smaller')
    parser.add_argument('--budget-kind', default='params', help=f'what is counted: {", ".join(BUDGETS)}')
    parser.add_argument('--ranks', default='lwiq', help='rank selector: lwiq, uniform, energy, activation_energy, ...')
    parser.add_argument('--init', choices=('svd', 'activation'), default='activation', help='how the chains begin')
    parser.add_argument('--out', required=True, help='folder for compressed.pth, config.py, ranks.csv, report.html')
    parser.add_argument('--modules', default=r'^(backbone|neck)\.', help='pattern of the layers that may change')
    parser.add_argument('--images', type=int, default=64, help='of the training split, for calibration')
    parser.add_argument('--img-size', type=int, help="side of the square input, pixels; default the test pipeline's")
    parser.add_argument('--fold-bn', action='store_true', help='make batch norms part of their convolutions first')
    parser.add_argument('--method', default='tensor_train', help='compressor, named as its plugin')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    args = parser.parse_args(argv)
    config = load_config(args.config, args.cfg_options)
    load_plugin(args.method)
    request = CompressRequest(
        build_detector(config, args.checkpoint),
        config,
        args.checkpoint,
        args.budget,
        args.budget_kind,
        args.ranks,
        args.init,
        input_side(config, args.img_size),
        dict(modules=args.modules, images=args.images, fold_bn=args.fold_bn),
    )
    with building(config.filename):
        facts = compress(args.method, request, args.out)
    table = Table(title=f'{args.method}: {args.budget:g} of {args.budget_kind}, ranks {args.ranks}', show_header=False)
    for name, value in facts.items():
        table.add_row(name, f'{value:,.0f}' if isinstance(value, int | float) else value)
    Console().print(table)
    print(f'config     {args.out}/config.py\ncheckpoint {args.out}/compressed.pth\nreport     {args.out}/report.html')
    return 0
