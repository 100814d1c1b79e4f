"""``train --data ... --unlabelled``: the recommended mode, its numbers by the schedule, and a training to its end."""

import shutil

import pytest
from yolo_set import write_yolo

from detplug.cli import test, train
from detplug.cli.config import load_config
from detplug.cli.run import run
from detplug.engine.history import read_history


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    data = write_yolo(tmp_path_factory.mktemp('data') / 'yolo')
    shutil.copytree(data.parent / 'images' / 'test', data.parent / 'more')
    return data


def test_a_folder_of_unlabelled_pictures_is_learned_from(data, tmp_path, capsys):
    words = ['--data', str(data), '--model', 'yolov5n', '--steps', '5', '--batch', '4', '--device', 'cpu']
    words += ['--unknown', 'taenia', 'hymenolepis', '--unlabelled', str(data.parent / 'more')]
    path = str(tmp_path / 'config.py')
    assert run(train.main, [*words, '--work-dir', str(tmp_path), '--config-only']) == 0, capsys.readouterr().err
    assert run(train.main, [path, '--cfg-options', 'validations=1']) == 0, capsys.readouterr().err
    assert read_history(tmp_path / 'openset.jsonl') is not None and (tmp_path / 'best.pth').is_file()
    assert run(test.main, [path, str(tmp_path / 'best.pth')]) == 0
    config = load_config(path, ['max_iters=1200'])
    model = config.model
    assert (model.mode, model.classes, model.burn_in) == ('oodfc_cce', 8, 500)
    assert model.cce.unknown and model.cce.chimeras == 0.25 and model.fusion.max_false_discovery == 0.5
    assert model.detector.bbox_head.num_classes == 9 and model.detector.test_cfg.max_per_img == 300 * 9
    assert config.train_dataloader.batch_size == 4 and config.custom_hooks[0].momentum == 0.01


def test_an_odd_number_of_images_a_step_is_refused(data, tmp_path, capsys):
    words = ['--data', str(data), '--model', 'yolov5n', '--batch', '3', '--unlabelled', str(data.parent / 'more')]
    assert run(train.main, [*words, '--work-dir', str(tmp_path)]) == 2
    assert '--batch 3: --unlabelled takes as many unlabelled as labelled' in capsys.readouterr().err
