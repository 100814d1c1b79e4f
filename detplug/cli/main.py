"""The ``detplug`` command: ``detplug train ...`` is ``tools/train.py ...``."""

import importlib
import sys
from collections.abc import Sequence

from detplug import __version__
from detplug.cli.run import WRONG_INPUT, run

COMMANDS = {
    'train': 'train a detector from a config',
    'test': 'evaluate a checkpoint',
    'predict': 'pictures and predictions.json of images, by a checkpoint or an exported bundle',
    'export': 'ONNX, ONNX int8 and what plugins add',
    'compress': 'a smaller detector by Tensor-Train layers',
    'convert_weights': 'official weights to ours',
    'prepare_data': 'an official download to our layout',
    'doctor': 'check the installation',
    'demo': 'train, evaluate, predict, export on sample data',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Dispatch to ``detplug.cli.COMMAND.main``; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ('-h', '--help'):
        print('usage: detplug COMMAND ...\n\n' + '\n'.join(f'  {name:16} {what}' for name, what in COMMANDS.items()))
        return 0
    if words[0] == '--version':
        print(f'detplug {__version__}')
        return 0
    name = words[0].replace('-', '_')
    if name not in COMMANDS:
        print(f'error: {words[0]}: no such command; one of {", ".join(COMMANDS)}', file=sys.stderr)
        return WRONG_INPUT
    return run(lambda rest: importlib.import_module(f'detplug.cli.{name}').main(rest), words[1:])
