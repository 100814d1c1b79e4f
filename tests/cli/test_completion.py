"""The completion script in a real bash: commands, options of a command, files."""

import shutil
import subprocess

import pytest

from detplug.cli import completion
from detplug.cli.main import command_main, commands

OPTIONS = {'train': ['--resume', '--seed'], 'add-unknown': ['--out'], 'predict': []}
needs_bash = pytest.mark.skipif(shutil.which('bash') is None, reason='bash is not installed')


def complete(*words: str, folder='.') -> list[str]:
    """What bash offers for the last of ``words`` after ``detplug``."""
    line = ' '.join(f"'{word}'" for word in ('detplug', *words))
    call = f'COMP_WORDS=({line}); COMP_CWORD={len(words)}; _detplug; printf "%s\\n" "${{COMPREPLY[@]}}"'
    text = completion.script('bash', OPTIONS) + call
    found = subprocess.run(['bash', '-c', text], capture_output=True, text=True, check=True, cwd=folder)
    assert not found.stderr
    return found.stdout.split()


@needs_bash
def test_what_bash_offers(tmp_path):
    (tmp_path / 'config.py').touch()
    assert complete('') == list(OPTIONS)
    assert complete('p') == ['predict']
    assert complete('train', '--') == ['--resume', '--seed']
    assert complete('train', '--s') == ['--seed']
    assert complete('predict', '--') == []
    assert complete('train', 'con', folder=tmp_path) == ['config.py']


def test_zsh_gets_the_same_through_its_bash_completion():
    text = completion.script('zsh', OPTIONS)
    assert text.startswith('autoload -U +X bashcompinit') and text.endswith(completion.script('bash', OPTIONS))


def test_options_are_those_of_help():
    assert {'--seconds', '--json', '--help'} <= set(completion.options_of(command_main('benchmark')))
    assert '--class-share' in completion.options_of(command_main('add-unknown'))  # of a plugin
    assert {'benchmark', 'add-unknown', 'train'} <= set(commands())


def test_a_command_that_cannot_start_has_none():
    def missing(argv):
        raise ModuleNotFoundError('torch')

    assert completion.options_of(missing) == []
