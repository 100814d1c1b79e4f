"""Law: every command that computes takes --device, uses it, and refuses in one line one that is not there."""

from pathlib import Path

import pytest
import torch
from mmengine.device import get_device
from mmengine.device import utils as mmengine_device

from detplug.cli.main import main
from detplug.engine import device

CONFIG = str(Path(__file__).resolve().parents[2] / 'configs/yolov5/yolov5n_parasite-samples.py')
COMMANDS = {
    'train': ['train', CONFIG, '--work-dir', '{out}'],
    'test': ['test', CONFIG, 'gone.pth', '--work-dir', '{out}'],
    'predict': ['predict', CONFIG, 'gone.pth', '{picture}', '--out', '{out}'],
    'export': ['export', CONFIG, 'gone.pth', '--out', '{out}'],
    'compress': ['compress', CONFIG, 'gone.pth', '--budget', '0.5', '--out', '{out}'],
}


@pytest.fixture
def argv(tmp_path):
    (tmp_path / 'picture.png').touch()
    values = dict(out=tmp_path / 'out', picture=tmp_path / 'picture.png')
    return lambda command, *more: [word.format(**values) for word in COMMANDS[command]] + list(more)


@pytest.mark.parametrize('command', COMMANDS)
@pytest.mark.parametrize('name', ['banana', 'cuda:99'])
def test_a_device_that_is_not_there(argv, capsys, command, name):
    assert main(argv(command, '--device', name)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f'error: --device {name}: ') and 'there is cpu' in lines[0]


@pytest.mark.parametrize(('more', 'wanted'), [(['--device', 'cpu'], 'cpu'), ([], 'meta')])
def test_the_option_goes_before_what_mmengine_found(argv, monkeypatch, more, wanted):
    monkeypatch.setattr(device, '_FIRST', 'meta')
    monkeypatch.setattr(mmengine_device, 'DEVICE', 'meta')
    used = []
    monkeypatch.setattr(torch.nn.Module, 'to', lambda self, place, *args: used.append(torch.device(place).type) or self)
    assert main(argv('test', *more)) == 2  # there is no data: the model was built before
    assert set(used) == {wanted} and get_device() == wanted
