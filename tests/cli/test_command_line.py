"""The frame of every command: exit status, one-line errors."""

import os
import subprocess
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


@pytest.mark.parametrize('said', ['', 'stopped; it goes on with X'])
def test_after_ctrl_c_the_command_says_how_it_goes_on(said, capsys):
    def interrupted(argv):
        raise KeyboardInterrupt(*[said][: bool(said)])

    assert run(interrupted) == 130
    assert capsys.readouterr().err.startswith(said or 'stopped; continue with --resume')


@pytest.mark.parametrize('buffered', [True, False])
def test_a_reader_that_ended_is_no_traceback(buffered):
    read, write = os.pipe()
    os.close(read)
    environment = os.environ | {'PYTHONUNBUFFERED': '' if buffered else '1'}
    words = [sys.executable, '-m', 'detplug', '--help']
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(write)
    assert done.returncode == 141 and done.stderr == ''


def test_unknown_command_lists_the_commands(capsys):
    assert main(['trian']) == 2
    printed = capsys.readouterr().err
    assert all(name.replace('_', '-') in printed for name in COMMANDS)
    assert 'did you mean train?' in printed


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        ('predict blood-cells a.jpg --output d', '--output: no such option; did you mean --out?'),
        ('predict blood-cells a.jpg --score-treshold=.3 --out d', '--score-treshold: no such option; did you mean'),
        ('inspect d --xyz', '--xyz: no such option; --help lists all'),
        ('predict blood-cells a.jpg', 'arguments are required: --out'),
        ('count d --ou e --by moon', 'argument --by: invalid choice'),  # --ou is short for --out
    ],
)
def test_a_misspelt_option_is_answered_with_the_one_that_is_near(words, said, capsys):
    with pytest.raises(SystemExit) as end:
        main(words.split())
    printed = capsys.readouterr().err
    assert end.value.code == 2 and said in printed and printed.startswith('usage: detplug ')


def test_commands_are_listed_as_the_pages_spell_them(capsys):
    assert main(['--help']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert '  convert-annotations ' in ''.join(lines) and not any('_' in line.split()[0] for line in lines if line)
    assert main(['convert_annotations', 'nowhere', 'out', '--to', 'coco']) == 2, 'the old spelling'


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
