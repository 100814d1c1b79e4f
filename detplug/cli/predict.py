"""``predict``: pictures with boxes, predictions.json, and relations.json beside.

``predict BUNDLE PICTURES... --out D`` runs a folder that ``export`` wrote and needs no torch;
``predict CONFIG CHECKPOINT PICTURES... --out D`` runs a checkpoint. A first argument that is a folder is a bundle.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detplug.errors import UserError

if TYPE_CHECKING:
    from detplug.cli.predictions import Engine

USAGE = """predict BUNDLE PICTURES... --out D [options]
       predict CONFIG CHECKPOINT PICTURES... --out D [options]"""


def main(argv: Sequence[str] | None = None) -> int:
    """Predict every picture; returns the exit status."""
    args = make_parser().parse_args(argv)
    from detplug.cli.inputs import find_images  # after --help, which needs none of them
    from detplug.cli.predictions import write_predictions

    if is_bundle(args.model):
        if args.cfg_options:
            raise UserError(f'--cfg-options: {args.model} is a bundle, which has no config; leave them out')
        images, engine = find_images(args.paths), bundle_engine(args.model, args.device)
    else:
        checkpoint, *paths = args.paths
        if not paths:
            raise UserError(f'{args.model}: is no folder, so a checkpoint and pictures follow; add them')
        images = find_images(paths)
        engine = checkpoint_engine(args.model, checkpoint, args.cfg_options, args.device)
    print(f'device {engine.device}')
    write_predictions(engine, images, Path(args.out), args.score_thr, args.relation_thr)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command line of both forms."""
    parser = argparse.ArgumentParser(
        prog='predict', usage=USAGE, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('model', metavar='BUNDLE | CONFIG', help='folder that export wrote, or config of a checkpoint')
    parser.add_argument('paths', metavar='PICTURES', nargs='+', help='files, folders or globs; first the checkpoint')
    parser.add_argument('--out', required=True, help='folder for the pictures and predictions.json')
    parser.add_argument('--score-thr', type=float, default=0.25, help='lowest score that is kept, 0 to 1')
    parser.add_argument('--relation-thr', type=float, default=0.1, help='lowest score of a relation, 0 to 1')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:1, ...; auto: an accelerator if any')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='of CONFIG')
    return parser


def is_bundle(model: str) -> bool:
    """Whether the first argument names a bundle: it is a folder.

    Raises:
        UserError: a file inside a bundle, or nothing that is there.
    """
    path = Path(model)
    if path.is_dir():
        return True
    if path.suffix == '.onnx' or path.name == 'manifest.json':
        raise UserError(f'{model}: a bundle is named by its folder; give {path.parent}')
    if not path.exists() and '::' not in model:
        raise UserError(f'{model}: not found: neither the folder of a bundle nor a config; check the path')
    return False


def bundle_engine(folder: str, device: str = 'auto') -> 'Engine':
    """The engine of ``predict BUNDLE``: onnxruntime.

    Raises:
        UserError: the folder is no bundle, its model is not the one the manifest was written for, or no such device.
    """
    from detplug.cli.predictions import Engine
    from detplug.export.relations import RELATION_OUTPUTS
    from detplug.export.runtime import Detector

    detector = Detector(folder, device=device)
    fields = detector.manifest['outputs'].get('extra', ())
    return Engine(
        lambda image, path, image_id: detector(image),
        tuple(name for name in fields if name not in RELATION_OUTPUTS),
        bool(detector.manifest.get('predicates')),
        f'{device}: {detector.provider} of onnxruntime',
    )


def checkpoint_engine(config: str, checkpoint: str, options: Sequence[str], device: str = 'auto') -> 'Engine':
    """The engine of ``predict CONFIG CHECKPOINT``: torch."""
    from detplug.engine.quiet import quiet_imports

    with quiet_imports():
        from detplug.cli.torch_engine import torch_engine
    return torch_engine(config, checkpoint, options, device)
