"""A head with another number of classes than the data is one line at the start of every command."""

from pathlib import Path

import pytest

from detplug.cli import compress, export, predict, test, train
from detplug.cli.config import load_config
from detplug.cli.run import run
from detplug.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/yolov5/yolov5n_parasite-samples.py')
COMMANDS = {
    'train': (train.main, [CONFIG]),
    'test': (test.main, [CONFIG, 'x.pth']),
    'predict': (predict.main, [CONFIG, 'x.pth', __file__, '--out', 'out']),
    'export': (export.main, [CONFIG, 'x.pth', '--out', 'out']),
    'compress': (compress.main, [CONFIG, 'x.pth', '--out', 'out', '--budget', '0.5']),
}


@pytest.mark.parametrize('number', [1, 80])
@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_says_it_before_it_reads_anything(command, number, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main, argv = COMMANDS[command]
    assert run(main, [*argv, '--cfg-options', f'model.bbox_head.num_classes={number}']) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert f'model.bbox_head.num_classes: {number}, but the data have 8 classes (ascaris, ' in lines[0]
    assert 'make them agree: model.bbox_head.num_classes=8' in lines[0] and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('config', 'key', 'right'),
    [
        ('openset/yolov5n_parasite-samples', 'model.detector.bbox_head.num_classes', 9),
        ('openset/faster-rcnn_yolov5n_malaria', 'model.detector.roi_head.bbox_head.num_classes', 4),
        ('openset/soft-teacher_malaria', 'model.detector.roi_head.bbox_head.num_classes', 3),
        ('sabra/sabra_yolov5n_samples', 'model.detector.bbox_head.num_classes', 7),
        ('tt_yolov5/faster-rcnn_tt-yolov5n_bccd', 'model.roi_head.bbox_head.num_classes', 3),
    ],
)
def test_every_family_is_compared_with_the_names_it_tells_apart(config, key, right):
    assert load_config(f'detplug::{config}.py', [f'{key}={right}']).model
    with pytest.raises(UserError, match=f'{key}: {right + 1}, but the data have .*{key}={right}'):
        load_config(f'detplug::{config}.py', [f'{key}={right + 1}'])
