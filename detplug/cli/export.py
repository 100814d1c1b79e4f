"""``export CONFIG CHECKPOINT --format F --out D``: a bundle that runs without torch and finds what torch finds."""

import shlex
from collections.abc import Sequence

from detplug.cli.command_parser import CommandParser
from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from rich.console import Console
    from rich.table import Table
    from torch import nn

    import detplug.register  # noqa: F401
    from detplug.cli.config import building, load_config
    from detplug.cli.detector import build_detector
    from detplug.cli.plugin import load_plugin
    from detplug.engine import published_weights
    from detplug.engine.device import AUTO, HELP, choose_device
    from detplug.entry_points import plugins
    from detplug.errors import UserError
    from detplug.export.formats import FORMATS, Bundle, ExportRequest, export
    from detplug.export.pipeline import input_side
    from detplug.outcome import note_outcome
    from detplug.runtime.bundle import PICTURES, input_kind

PARTS = ('errors', 'metrics', 'int8')  # of a manifest, that are shown
HOST_FORMATS = ('onnx', 'onnx-int8')  # registered when one is asked for


def main(argv: Sequence[str] | None = None) -> int:
    """Export as the command line says; returns the exit status."""
    parser = CommandParser(prog='export', description=__doc__)
    parser.add_argument('config')
    parser.add_argument('checkpoint', help=published_weights.HELP)
    parser.add_argument('--format', default='onnx', help='onnx, onnx-int8, or a format of a plugin of the config')
    parser.add_argument('--out', required=True, help='folder for model.onnx and manifest.json')
    parser.add_argument(
        '--img-size', type=int, help="side of a square input, pixels; default: the test pipeline's height and width"
    )
    parser.add_argument('--raw', action='store_true', help='leave decoding and NMS out of the graph')
    parser.add_argument('--dynamic-batch', action='store_true', help='any number of images at once')
    parser.add_argument('--max-map-loss', type=float, default=0.03, help='refuse int8 that loses more mAP on val')
    parser.add_argument('--map-images', type=int, default=500, help='images of val, at most, that mAP is measured on')
    parser.add_argument('--device', default=AUTO, help=f'of the torch model that the export is compared with: {HELP}')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    args = parser.parse_args(argv)
    device = choose_device(args.device)
    config = load_config(args.config, args.cfg_options, dict(device='--device', load_from='the checkpoint'))
    model = build_detector(config, args.checkpoint)
    request = ExportRequest(
        model,
        config,
        0 if takes_no_picture(model, args.img_size) else input_side(config, args.img_size),
        args.raw,
        args.dynamic_batch,
        args.max_map_loss,
        device,
        as_pipeline=args.img_size is None,
        map_images=args.map_images,
    )
    load_format(args.format)
    with building(config.filename):
        bundle = export(args.format, request, args.out)
    Console().print(summary(bundle))
    if bundle.manifest['format'] in HOST_FORMATS or input_kind(bundle.manifest) != PICTURES:
        print(next_step(bundle), flush=True)
    parts = {name: bundle.manifest[name] for name in PARTS if name in bundle.manifest}
    note_outcome(out=bundle.folder, format=bundle.manifest['format'], **parts)
    return 0


def takes_no_picture(model: nn.Module, img_size: int | None) -> bool:
    """Whether the model is given boxes alone.

    Raises:
        UserError: it is, and the input of a picture has a side.
    """
    given = getattr(model, 'needs_boxes', False)
    if given and img_size is not None:
        raise UserError(f'--img-size {img_size}: the model is given boxes, no pictures; leave it out')
    return given


def next_step(bundle: Bundle) -> str:
    """The line that says how the bundle is run."""
    boxes = '' if input_kind(bundle.manifest) == PICTURES else ' --boxes FILE'
    return f'next: detplug predict {shlex.quote(str(bundle.folder))} PICTURES{boxes} --out predictions'


def load_format(name: str) -> None:
    """Import the plugin that has the format ``name``, where the config imports none that does.

    What the plugin wants of a model is then its own line, in the place of "no such format".
    """
    if name in HOST_FORMATS or name in FORMATS:
        return
    for point in plugins():
        load_plugin(point.name)
        if name in FORMATS:
            return


def summary(bundle: Bundle) -> Table:
    """What was written and how far it is from the torch model."""
    table = Table(title=f'{bundle.manifest["format"]} in {bundle.folder}', show_header=False)
    for part in PARTS:
        for name, value in bundle.manifest.get(part, {}).items():
            table.add_row(f'{part}: {name}', f'{value:.3g}' if isinstance(value, float) else str(value))
    return table
