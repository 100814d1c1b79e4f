"""``train --data``: from a data.yaml to predictions, by the commands alone; refusals are one line."""

import json
import shutil
from pathlib import Path

import pytest
from yolo_set import write_yolo

from detplug.cli import predict, test, train
from detplug.cli.config import load_config
from detplug.cli.run import run
from detplug.engine.runner import DetplugRunner
from detplug.errors import UserError
from detplug.recipe.models import STOCK

SHORT = ['--steps', '2', '--batch', '2', '--device', 'cpu']


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    return write_yolo(tmp_path_factory.mktemp('data') / 'yolo')


def test_from_a_data_yaml_to_pictures_with_boxes(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(train.main, ['--data', str(data), '--model', 'yolov5n', *SHORT, '--unknown', 'taenia']) == 0
    out = capsys.readouterr().out
    said = ('yolo: 4 train, 2 val, 2 test; 9 classes: ascaris', 'unknown: taenia', 'random weights', '64 px, 2 images',
            'it has hardly learned anything')  # fmt: skip
    for words in (*said, '2 steps', 'next: detplug test'):
        assert words in out
    folder = Path('work_dirs/yolo-yolov5n')
    config, best = str(folder / 'config.py'), str(folder / 'best.pth')
    written = Path(config).read_text()
    assert written.startswith('# yolov5n on') and 'max_iters // 10' in written, 'the training left it as it was written'
    assert run(test.main, [config, best]) == 0
    figures = json.loads((folder / 'test' / 'metrics_test.json').read_text())
    assert {'map', 'ap/ascaris', 'unknown_objects', 'unknown_misnamed'} <= figures.keys() and 'ap/taenia' not in figures
    assert run(predict.main, [config, best, str(data.parent / 'images' / 'test'), '--out', 'found']) == 0
    assert run(train.main, [config, '--resume', '--cfg-options', 'max_iters=3']) == 0
    assert (folder / 'iter_3.pth').exists() and Path(config).read_text() == written
    capsys.readouterr()
    assert run(train.main, ['--data', str(data), '--model', 'yolov5n', *SHORT]) == 2
    line = capsys.readouterr().err
    assert 'holds an earlier training' in line and '--resume' in line and len(line.splitlines()) == 1


def test_config_only_writes_what_train_takes(data, tmp_path, capsys):
    words = ['--data', str(data), '--model', 'yolov5n', *SHORT, '--config-only', '--work-dir', str(tmp_path)]
    assert run(train.main, words) == 0 and run(train.main, words) == 0, 'written again'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['config.py', 'data']
    assert load_config(tmp_path / 'config.py').train_cfg.max_iters == 2 and 'next:' not in capsys.readouterr().out


def test_a_config_of_somebody_else_is_not_written_over(data, tmp_path, capsys):
    (tmp_path / 'config.py').write_text('max_iters = 3\n')
    assert run(train.main, ['--data', str(data), '--model', 'yolov5n', *SHORT, '--work-dir', str(tmp_path)]) == 2
    assert 'config.py: would be written over' in capsys.readouterr().err
    assert (tmp_path / 'config.py').read_text() == 'max_iters = 3\n' and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize('name', sorted(STOCK))
def test_every_model_of_mmdet_trains_two_steps(data, tmp_path, name, capsys):
    words = ['--data', str(data), '--model', name, *SHORT, '--work-dir', str(tmp_path), '--config-only']
    assert run(train.main, words) == 0, capsys.readouterr().err
    quick = ['--cfg-options', 'validations=1', 'custom_hooks=[]']  # without the report
    assert run(train.main, [str(tmp_path / 'config.py'), *quick]) == 0, capsys.readouterr().err
    assert (tmp_path / 'best.pth').is_file() and 'map' in json.loads((tmp_path / 'metrics.json').read_text())


def test_a_broken_picture_is_listed_and_left_out(data, tmp_path, capsys):
    spoiled = shutil.copytree(data.parent, tmp_path / 'data') / data.name
    broken, other, *_ = sorted((spoiled.parent / 'images' / 'train').iterdir())
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size * 45 // 100])
    work = tmp_path / 'work'
    words = ['--data', str(spoiled), '--model', 'yolov5n', '--config-only', *SHORT, '--work-dir', str(work)]
    assert run(train.main, words) == 0
    out, listed = capsys.readouterr().out, work / 'data' / 'anomalies.txt'
    assert 'image left out with its labels: 1, the first' in out and f'all of these files: {listed}' in out
    assert broken.name in listed.read_text()
    assert len(json.loads((work / 'data' / 'train.json').read_text())['images']) == 3
    shutil.copy(other, broken)  # mended
    assert run(train.main, words) == 0
    assert 'left out' not in capsys.readouterr().out and not listed.exists()


def test_minutes_become_steps_that_the_config_keeps(data, tmp_path, capsys):
    words = ['--data', str(data), '--model', 'yolov5n', '--minutes', '0.25', '--batch', '2', '--size', '32']
    status = run(train.main, [*words, '--device', 'cpu', '--work-dir', str(tmp_path)])
    said = capsys.readouterr()
    if status == 2:  # a machine on which 20 steps take longer
        assert '--minutes' in said.err and 'are the fewest' in said.err
        return
    assert said.out.startswith('the speed of the first steps is measured'), 'not silence for half a minute'
    assert 'speed: ' in said.out and 'measured' in said.out
    config = load_config(tmp_path / 'config.py')
    steps = config.train_cfg.max_iters
    assert (
        steps >= 20 and f'max_iters = {steps}  # steps; fit into 0.25 minutes' in (tmp_path / 'config.py').read_text()
    )
    assert (tmp_path / f'iter_{steps}.pth').exists()


@pytest.mark.parametrize(
    ('words', 'line'),
    [
        (['--data', 'nowhere.yaml', '--model', 'yolov5n'], 'nowhere.yaml: not found; check the path'),
        (['DATA'], 'data.yaml: a data set, not a config; train on it with --data '),
        (['--data', 'DATA', '--model', 'yolo9'], '--model yolo9: no such model'),
        (['--data', 'DATA', '--model', 'yolov5n', '--size', '65'], '--size 65: not a multiple of 32; give 64'),
        (['--data', 'DATA', '--model', 'yolov5n', '--device', 'tpu'], '--device tpu'),
        (['--data', 'DATA', '--model', 'yolov5n', '--compress', '1x'], '--compress 1x: not how many times smaller'),
        (['--data', 'DATA', '--model', 'yolov5n', '--unlabelled', 'nowhere'], 'nowhere: --unlabelled: no such folder'),
        (
            ['--data', 'DATA', '--model', 'yolov5n', '--config-only', '--compress', '4x'],
            '--compress: has no effect with --config-only',
        ),
        (['--data', 'DATA', '--model', 'rtmdet-tiny', '--unlabelled', '.'], '--unlabelled: --model rtmdet-tiny'),
        (
            ['--data', 'DATA', '--model', 'yolov5n', '--unlabelled', '.', '--compress', '4x'],
            '--compress: takes a plain detector, --unlabelled makes a student and a teacher',
        ),
    ],
)
def test_wrong_input_is_one_line_and_writes_nothing(data, tmp_path, words, line, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(train.main, [str(data) if word == 'DATA' else word for word in words]) == 2
    said = capsys.readouterr().err
    assert line in said and len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_stopped_training_names_the_command_that_goes_on(data, tmp_path, monkeypatch, capsys):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(DetplugRunner, 'train', interrupted)
    folder = tmp_path / 'my run'
    words = ['--data', str(data), '--model', 'yolov5n', *SHORT, '--size', '32', '--work-dir', str(folder)]
    assert run(train.main, words) == 130
    command = f"detplug train '{folder}/config.py' --work-dir '{folder}'"
    assert capsys.readouterr().err == f'stopped before the first checkpoint; begin again with {command}\n'
    (folder / 'iter_1.pth').touch()
    assert train.stopped(load_config(folder / 'config.py', [f'work_dir={folder}'])).endswith(f'with {command} --resume')


def test_a_config_in_yaml_is_no_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('config.yaml').write_text('model:\n  type: YOLOv5\nnames: [egg]\n')
    train.check_no_data_set('config.yaml')
    Path('data.yaml').write_text('train: images\nnames: [egg]\n')
    for name in ('data.yaml', '.'):
        with pytest.raises(UserError, match='a data set, not a config'):
            train.check_no_data_set(name)


def test_the_help_of_train_names_both_ways(capsys):
    for words, expected in ((['--help'], '--data DATA'), (['--data', 'x', '--help'], '--unlabelled DIR')):
        with pytest.raises(SystemExit) as end:
            train.main(words)
        assert end.value.code == 0 and expected in capsys.readouterr().out
