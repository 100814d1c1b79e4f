"""The completion script in a real bash: commands, options of a command, files."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from detplug.cli import completion
from detplug.cli import main as cli_main
from detplug.cli.main import command_main, commands
from detplug.errors import UserError

ROOT = Path(__file__).resolve().parents[2]

OPTIONS = {'prepare_data': ['--out'], 'train': ['--resume', '--seed'], 'add-unknown': ['--out'], 'predict': []}
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
    assert complete('p') == ['prepare_data', 'predict']
    assert complete('prepare_data', '--') == complete('prepare-data', '--') == ['--out']
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


def test_both_forms_of_train_are_completed():
    assert {'--resume', '--minutes', '--unlabelled'} <= set(
        completion.options_of(command_main('train'), completion.FORMS['train'])
    )


def missing(words):
    raise ModuleNotFoundError("No module named 'torch'", name='torch')


def noisy(words):
    print('usage: noisy [--loud]')
    sys.exit(0)


def wrong(words):
    print('two\nlines', file=sys.stderr)
    return 2


def bug(words):
    raise KeyError('key')


def test_commands_that_cannot_start_are_named_with_the_reason(monkeypatch, capsys):
    mains = dict(missing=missing, noisy=noisy, wrong=wrong, bug=bug)

    def command_main(name):
        if name == 'absent':  # the import of its module fails
            raise UserError('plugin x (x): ImportError: y; mend or uninstall x')
        return mains[name]

    monkeypatch.setattr(cli_main, 'commands', lambda: dict.fromkeys([*mains, 'absent'], ''))
    monkeypatch.setattr(cli_main, 'command_main', command_main)
    assert completion.main(['bash']) == 0
    said = capsys.readouterr()
    assert said.out == completion.script('bash', {'noisy': ['--loud']}), 'and nothing of theirs'
    before = ': cannot start, so it is not completed: '
    assert said.err.splitlines() == [
        f"missing{before}torch: not installed; pip install 'detplug[train]', or make setup in a checkout",
        f'wrong{before}two lines',
        f"bug{before}KeyError: 'key'",
        f'absent{before}plugin x (x): ImportError: y; mend or uninstall x',
    ]


def test_without_torch_the_commands_that_need_none_are_completed():
    code = """
import sys
class Absent:
    def find_spec(name, path=None, target=None):
        if name in ('torch', 'mmdet', 'mmengine', 'mmcv'):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Absent)
from detplug.cli.main import main
sys.exit(main(['completion', 'bash']))
"""
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and 'predict) options="' in done.stdout and 'count) options="' in done.stdout
    assert 'train) options=' not in done.stdout
    lines = done.stderr.splitlines()
    assert all(': cannot start, so it is not completed: ' in line for line in lines), lines
    assert {'train', 'test', 'export', 'compress', 'add-unknown'} <= {line.partition(':')[0] for line in lines}
