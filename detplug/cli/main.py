"""The ``detplug`` command: ``detplug train ...`` is ``tools/train.py ...``."""

import importlib
import sys
from collections.abc import Sequence

from detplug import __version__
from detplug.cli.run import run
from detplug.entry_points import plugin_table
from detplug.errors import UserError

COMMANDS = {  # of detplug.cli; plugins add theirs
    'train': 'train a detector from a config',
    'test': 'evaluate a checkpoint',
    'predict': 'the objects in pictures, by a checkpoint or an exported bundle',
    'export': 'ONNX, ONNX int8 and what plugins add',
    'compress': 'a smaller detector, by what plugins add',
    'convert_weights': 'official weights to ours',
    'convert_annotations': 'annotations of one tool for another',
    'prepare_data': 'an official download to our layout',
    'doctor': 'check the installation',
    'demo': 'the steps of plugins on sample data, and a page of what they made',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``detplug.cli.COMMAND.main``, or the ``main`` of a plugin's module; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] == '--version':
        print(f'detplug {__version__}')
        return 0
    return run(dispatch, words)


def dispatch(words: Sequence[str]) -> int:
    """Run a command of ours or of a plugin and return its exit status; wrong input is raised, not printed."""
    if not words or words[0].replace('-', '_') not in COMMANDS:
        return plugin_command(words)
    module = importlib.import_module(f'detplug.cli.{words[0].replace("-", "_")}')
    return module.main(words[1:]) or 0


def plugin_command(words: Sequence[str]) -> int:
    """Run a plugin's command; without one, list all. Plugins are asked only here: others start without them."""
    theirs: dict[str, tuple[str, str]] = plugin_table('commands', 'COMMANDS', {})
    if not words or words[0] in ('-h', '--help'):
        lines = COMMANDS | {name: what for name, (_, what) in theirs.items()}
        print('usage: detplug COMMAND ...\n\n' + '\n'.join(f'  {name:18} {what}' for name, what in lines.items()))
        return 0
    if words[0] not in theirs:
        raise UserError(f'{words[0]}: no such command; one of {", ".join([*COMMANDS, *theirs])}')
    from detplug.quiet import quiet_imports

    with quiet_imports():
        module = importlib.import_module(theirs[words[0]][0])
    return module.main(words[1:])
