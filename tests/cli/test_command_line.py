"""The frame of every command: exit status, one-line errors."""

import sys
from pathlib import Path

import pytest

from detplug.cli.main import COMMANDS, main
from detplug.cli.run import run
from detplug.errors import UserError


def test_user_errors_are_one_line_and_exit_2(capsys):
    def wrong(argv):
        raise UserError('eggs.json: images: none\n   found; give a file with images')

    assert run(wrong) == 2
    assert capsys.readouterr().err == 'error: eggs.json: images: none found; give a file with images\n'


def test_other_errors_are_not_hidden():
    def bug(argv):
        raise RuntimeError('a bug')

    with pytest.raises(RuntimeError):
        run(bug)


def test_unknown_command_lists_the_commands(capsys):
    assert main(['trian']) == 2
    printed = capsys.readouterr().err
    assert all(name in printed for name in COMMANDS)


@pytest.mark.parametrize(
    'name', ['openset-split', 'join-checkpoints', 'fit-noise', 'relations-from-csv', 'check-relations']
)
def test_commands_of_plugins_are_listed_and_start(capsys, name):
    assert main(['--help']) == 0
    assert name in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main([name, '--help'])
    assert end.value.code == 0 and 'usage' in capsys.readouterr().out


def test_no_script_hides_a_module_of_python():
    """`python tools/train.py` finds its neighbours first: a tools/inspect.py would be everybody's `import inspect`."""
    scripts = {x.stem for x in Path(__file__).resolve().parents[2].joinpath('tools').glob('*.py')}
    assert 'train' in scripts and not scripts & sys.stdlib_module_names
