"""Options of ``train`` that need the record of the training."""

import pytest

from detplug.cli.main import main

CONFIG = 'detplug::yolov5/yolov5n_parasite-samples.py'


@pytest.mark.parametrize('words', [['--patience', '3'], ['--log-to', 'wandb']])
def test_without_the_history_they_are_refused(words, tmp_path, capsys):
    off = ['--cfg-options', 'default_hooks.history=None']
    assert main(['train', CONFIG, '--work-dir', str(tmp_path / 'work'), *words, *off]) == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith(f'error: {words[0]}: reads what default_hooks.history writes') and '\n' not in line


@pytest.mark.parametrize(
    ('words', 'line'),
    [(['--patience', 'x'], '--patience x: not a whole number'), (['--log-to', 'x'], '--log-to x: not')],
)
def test_wrong_values_are_refused(words, line, tmp_path, capsys):
    assert main(['train', CONFIG, '--work-dir', str(tmp_path / 'work'), *words]) == 2
    assert line in capsys.readouterr().err and not list(tmp_path.iterdir())
