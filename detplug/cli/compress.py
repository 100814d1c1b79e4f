"""``compress CONFIG CHECKPOINT --budget F --out D``: a smaller detector, and the config that trains and exports it.

Each method has options of its own: ``compress --method NAME --help``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from detplug.cli.command_parser import CommandParser
from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from rich.console import Console
    from rich.table import Table

    import detplug.register  # noqa: F401
    from detplug.cli.config import building, load_config
    from detplug.cli.detector import build_detector
    from detplug.cli.plugin import load_plugin
    from detplug.compression.compressors import COMPRESSORS, OPTIONS, CompressRequest, compress
    from detplug.compression.costs import COST_MODELS, parse_budget
    from detplug.compression.methods import default_method, methods, methods_text
    from detplug.engine import published_weights
    from detplug.engine.checkpoint import checkpoint_file
    from detplug.engine.device import AUTO, HELP, choose_device
    from detplug.entry_points import plugins
    from detplug.errors import UserError
    from detplug.export.pipeline import input_side
    from detplug.outcome import note_outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Compress as the command line says; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    method = method_of(words)
    load_compressor(method)
    parser = make_parser()
    common = set(vars(parser.parse_args(['CONFIG', 'CHECKPOINT', '--out', 'D'])))
    if method in OPTIONS:
        OPTIONS[method](parser.add_argument_group(f'of --method {method}', argument_default=argparse.SUPPRESS))
    args = parser.parse_args(words)
    budget = None if args.budget is None else parse_budget(args.budget)
    if isinstance(budget, dict) and args.budget_kind:
        raise UserError(f'--budget-kind {args.budget_kind}: --budget {args.budget} names its kinds; leave one out')
    device = choose_device(args.device)
    config = load_config(args.config, args.cfg_options, dict(device='--device', load_from='the checkpoint'))
    config.pop('work_dir', None)  # the compressed detector is another one, and gets a folder of its own
    request = CompressRequest(
        build_detector(config, args.checkpoint, device),
        config,
        checkpoint_file(args.checkpoint),
        budget,
        args.budget_kind or 'params',
        input_side(config, args.img_size),
        {name: value for name, value in vars(args).items() if name not in common},
    )
    with building(config.filename):
        facts = compress(args.method, request, args.out)
    words = [request.budget_words, *(f'{name} {value}' for name, value in request.settings.items())]
    table = Table(title=f'{args.method}: {", ".join(filter(None, words))}'.rstrip(': '), show_header=False)
    for name, value in facts.items():
        table.add_row(name, f'{value:,.0f}' if isinstance(value, int | float) else value)
    Console().print(table)
    note_outcome(out=args.out, method=args.method, facts=facts)
    for what, name in (('config', 'config.py'), ('checkpoint', 'compressed.pth'), ('report', 'report.html')):
        if (Path(args.out) / name).exists():
            print(f'{what:10} {args.out}/{name}')
    return 0


def load_compressor(method: str) -> None:
    """Import the plugin that has the compressor ``method``: the one of this name, or any.

    Raises:
        UserError: there is none, or the plugin does not import.
    """
    load_plugin(method)
    for point in plugins() if method not in COMPRESSORS else ():
        load_plugin(point.name)
        if method in COMPRESSORS:
            break
    COMPRESSORS.find(method)


def method_of(words: Sequence[str]) -> str:
    """The compressor that the command line names, whose plugin brings the options that follow."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument('--method')
    return parser.parse_known_args(words)[0].method or default_method()


def other_method(option: str) -> str | None:
    """Which methods have an option; None where none of the installed ones has it."""
    having = []
    for method in methods():
        load_compressor(method)
        parser = argparse.ArgumentParser(add_help=False)
        OPTIONS.get(method, lambda group: None)(parser)
        if option in parser._option_string_actions:
            having.append(f'--method {method}')
    return f'it is of {" and ".join(having)}' if having else None


def make_parser() -> argparse.ArgumentParser:
    """The command line without the options of one compressor."""
    parser = CommandParser(
        prog='compress',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        elsewhere=other_method,
    )
    parser.add_argument('config')
    parser.add_argument('checkpoint', help=published_weights.HELP)
    parser.add_argument('--out', required=True, help='folder for compressed.pth, config.py and what the method adds')
    parser.add_argument('--method', default=default_method(), help=methods_text())
    parser.add_argument(
        '--budget', help='share that is kept: 0.5 is 2x smaller; or of several kinds, params=0.25,macs=0.5'
    )
    kinds = ', '.join(COST_MODELS)
    parser.add_argument('--budget-kind', help=f'what is counted: {kinds}, or a kind of a plugin; default params')
    parser.add_argument('--img-size', type=int, help="side of the square input, pixels; default the test pipeline's")
    parser.add_argument('--device', default=AUTO, help=f'for calibration and measurement: {HELP}')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    return parser
