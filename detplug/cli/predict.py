"""``predict``: the objects in pictures, as tables, predictions.json and pictures with boxes.

``predict BUNDLE PICTURES... --out D`` runs a folder that ``export`` wrote, or one of ``detplug models``, without torch;
``predict CONFIG CHECKPOINT PICTURES... --out D`` runs a checkpoint, or weights that were published (https://...,
mmdet://NAME). A first argument that is a folder is a bundle.

PICTURES are files, folders with all below, globs, lists (.txt), videos, TIFF stacks and slides. D/part-*.parquet hold
the boxes, D/images-*.parquet a row for each picture, D/errors.parquet those that could not be read. A run that was
stopped goes on when the same command is given again.
"""

import argparse
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detplug.cli.command_parser import CommandParser
from detplug.errors import UserError

if TYPE_CHECKING:
    from detplug.runtime.engine import EngineSource

USAGE = """detplug predict BUNDLE PICTURES... --out D [options]
       detplug predict CONFIG CHECKPOINT PICTURES... --out D [options]"""
DRAWN = 200  # pictures that are drawn where nothing else is said
TOP = 100  # boxes of a queue where nothing else is said


def main(argv: Sequence[str] | None = None) -> int:
    """Predict every picture; returns the exit status."""
    args = make_parser().parse_args(argv)
    if is_bundle(args.model):
        if args.cfg_options:
            raise UserError(f'--cfg-options: {args.model} is a bundle, which has no config; leave them out')
        paths, source = args.paths, bundle_source(args)
    else:
        checkpoint, *paths = args.paths
        if not paths:
            raise UserError(f'{args.model}: is no folder, so a checkpoint and pictures follow; add them')
        source = checkpoint_source(args, checkpoint)
    for option in ('tile', 'reduce') if args.boxes else ():
        if getattr(args, option) not in (None, 1):
            raise UserError(f'--boxes: are in pixels of whole pictures; leave --{option} out')
    from detplug.cli.predictions import predict

    return predict(source, paths, Path(args.out), args)


def make_parser() -> argparse.ArgumentParser:
    """The command line of both forms, with the options that plugins add for their fields."""
    from detplug.runtime.result_field import result_fields

    queues = ['uncertain', *(field.queue.name for field in result_fields().values() if field.queue)]
    parser = CommandParser(
        prog='predict', usage=USAGE, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'model', metavar='BUNDLE | CONFIG', help='folder that export wrote, one of `detplug models`, or config'
    )
    parser.add_argument('paths', metavar='PICTURES', nargs='+', help='what to predict; first the checkpoint')
    parser.add_argument('--out', required=True, help='folder of the results')
    parser.add_argument(
        '--score-thr',
        action='append',
        default=[],
        metavar='T|CLASS=T',
        help='lowest score that is kept, 0 to 1, of all '
        'classes or, given again, of one; default: what a bundle was calibrated to, else 0.25',
    )
    for field in result_fields().values():
        if field.option is not None:
            option = field.option
            parser.add_argument(f'--{option.name}', type=share, default=option.default, help=option.help)
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:1, ...; auto: an accelerator if any')
    parser.add_argument('--batch', type=natural, help='pictures at once; by default 8 where the detector takes several')
    parser.add_argument('--workers', type=natural, help='processes; by default as many as cores for many pictures')
    parser.add_argument('--tile', type=natural, help='predict in tiles of this side, px, with --overlap')
    parser.add_argument('--overlap', type=share, help='of neighbouring tiles, a share of --tile; by default 0.2')
    parser.add_argument(
        '--reduce', type=int, choices=(1, 2, 4, 8), default=1, help='decode at 1/2, 1/4, 1/8 of the size'
    )
    parser.add_argument(
        '--boxes', metavar='FILE', help='boxes of the pictures for a model that is given some: json, csv, folder of npz'
    )
    parser.add_argument('--annotations', help='COCO json whose image and category ids the results get')
    drawn = parser.add_mutually_exclusive_group()
    drawn.add_argument('--pictures', type=natural, help=f'how many pictures are drawn, the first; by default {DRAWN}')
    drawn.add_argument('--no-pictures', action='store_true', help='draw none')
    parser.add_argument(
        '--queue', choices=queues, help='write the boxes that a person should look at first, in this order'
    )
    parser.add_argument('--top', type=natural, help=f'how many boxes --queue writes; by default {TOP}')
    parser.add_argument('--json', action='store_true', help='predictions.json of more than 10,000 pictures too')
    parser.add_argument('--shard', default='1/1', metavar='I/N', help='do the I-th of N equal parts, of an array job')
    parser.add_argument('--strict', action='store_true', help='exit status 2 if any picture could not be read')
    parser.add_argument('--overwrite', action='store_true', help='remove the results of another run in D')
    parser.add_argument('--engine', choices=('processes', 'ray'), default='processes', help='what the shards run on')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='of CONFIG')
    return parser


def share(text: str) -> float:
    """A number from 0 to 1.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text} is not from 0 to 1')
    return value


def natural(text: str) -> int:
    """A whole number from 1 on.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f'{text} is not a whole number from 1 on')
    return int(text)


def is_bundle(model: str) -> bool:
    """Whether the first argument names a bundle: it is a folder, or a bundled detector.

    Raises:
        UserError: a file inside a bundle, or nothing that is there.
    """
    from detplug.runtime.bundled import bundle_folder, bundled

    path = Path(model)
    if bundle_folder(model).is_dir():
        return True
    if path.suffix == '.onnx' or path.name == 'manifest.json':
        raise UserError(f'{model}: a bundle is named by its folder; give {path.parent}')
    if '://' in model:
        raise UserError(f'{model}: the weights come after their config; give `predict mmdet::FOLDER/NAME.py {model}`')
    if not path.exists() and '::' not in model:
        near = difflib.get_close_matches(model, bundled(), n=1)
        hint = f'; did you mean {near[0]}?' if near else ''
        raise UserError(
            f'{model}: not found: neither the folder of a bundle nor a config, nor one of `detplug models`{hint}'
        )
    return False


def bundle_source(args: argparse.Namespace) -> 'EngineSource':
    """What opens the bundle: onnxruntime."""
    from detplug.runtime.bundled import bundle_folder
    from detplug.runtime.onnx_engine import BundleSource

    return BundleSource(str(bundle_folder(args.model)), args.device, args.batch, *given_boxes(args))


def checkpoint_source(args: argparse.Namespace, checkpoint: str) -> 'EngineSource':
    """What opens the checkpoint: torch."""
    from detplug.engine.quiet import quiet_imports

    with quiet_imports():
        from detplug.cli.torch_engine import CheckpointSource
    return CheckpointSource(
        args.model, checkpoint, tuple(args.cfg_options), args.device, args.batch or 8, *given_boxes(args)
    )


def given_boxes(args: argparse.Namespace) -> tuple[str, ...]:
    """The file of boxes and the annotations of its ids; nothing where no boxes are given."""
    return () if args.boxes is None else (args.boxes, args.annotations)
