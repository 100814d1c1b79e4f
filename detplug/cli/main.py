"""The ``detplug`` command: ``detplug train ...`` is ``tools/train.py ...``."""

import difflib
import importlib
import sys
from collections.abc import Callable, Sequence

from detplug import __version__
from detplug.cli.run import run
from detplug.entry_points import plugin_table
from detplug.errors import UserError
from detplug.outcome import as_json

JSON = '--json'  # before the command
Main = Callable[[Sequence[str] | None], int]
COMMANDS = {  # of detplug.cli; plugins add theirs
    'train': 'train a detector, from annotated pictures (--data) or a config',
    'test': 'evaluate a checkpoint',
    'predict': 'the objects in pictures, by a checkpoint or an exported bundle',
    'models': 'the detectors that come with detplug',
    'export': 'ONNX, ONNX int8 and what plugins add',
    'compress': 'a smaller detector, by what plugins add',
    'convert_weights': 'official weights to ours',
    'convert_annotations': 'annotations of one tool for another',
    'prepare_data': 'an official download to our layout',
    'benchmark': 'speed and memory of an exported bundle on this machine',
    'doctor': 'check the installation',
    'completion': 'a script that completes commands and options in bash or zsh',
    'demo': 'the steps of plugins on sample data, and a page of what they made',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``detplug.cli.COMMAND.main``, or the ``main`` of a plugin's module; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] == '--version':
        print(f'detplug {__version__}')
        return 0
    if words and words[0] == JSON:
        return as_json(lambda: run(dispatch, words[1:]))
    return run(dispatch, words)


def dispatch(words: Sequence[str]) -> int:
    """Run a command of ours or of a plugin, or list all; returns its exit status. Wrong input is raised, not printed.

    Plugins are asked only for what is no command of ours: those start without them.
    """
    if words and words[0] not in ('-h', '--help'):
        return command_main(words[0])(words[1:]) or 0
    print(
        'usage: detplug [--json] COMMAND ...\n\n'
        + '\n'.join(f'  {name.replace("_", "-"):20}{what}' for name, what in commands().items())
    )
    return 0


def commands() -> dict[str, str]:
    """Command -> one line of help, those of plugins at the end."""
    return COMMANDS | {name: what for name, (_, what) in plugin_commands().items()}


def command_main(name: str) -> Main:
    """``main`` of any command.

    Raises:
        UserError: there is none of this name.
    """
    if name.replace('-', '_') in COMMANDS:
        return importlib.import_module(f'detplug.cli.{name.replace("-", "_")}').main
    theirs = plugin_commands()
    if name not in theirs:
        known = [other.replace('_', '-') for other in [*COMMANDS, *theirs]]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f'did you mean {near[0]}? ' if near else ''
        raise UserError(f'{name}: no such command; {hint}`detplug --help` lists all: {", ".join(known)}')
    from detplug.quiet import quiet_imports

    with quiet_imports():
        return importlib.import_module(theirs[name][0]).main


def plugin_commands() -> dict[str, tuple[str, str]]:
    """Command of a plugin -> module and help."""
    return plugin_table('commands', 'COMMANDS', {})
