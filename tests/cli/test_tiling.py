"""``train --tile`` and ``test --tile`` on sample slides that are larger than a tile."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from detplug.cli import test, train
from detplug.cli.run import run
from detplug.cli.tiling import use_tiles
from detplug.errors import UserError
from detplug.evaluation.results_file import load_results
from plugins.samples.parasites import generate

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/yolov5/yolov5n_parasite-samples.py')
TINY = ['model.backbone.width=0.125', 'model.neck.in_channels=[32,64,128]', 'model.bbox_head.in_channels=[32,64,128]']


@pytest.fixture(scope='module')
def options(tmp_path_factory) -> list[str]:
    slides = generate(tmp_path_factory.mktemp('data') / 'slides', counts=dict(train=3, val=2, test=2), size=160)
    return ['--cfg-options', f'data_root={slides}', 'test_dataloader.batch_size=1', *TINY]  # equal in every bit


@pytest.fixture(scope='module')
def trained(options, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('work') / 'run'
    assert run(train.main, [CONFIG, '--work-dir', str(folder), '--smoke', '--tile', '96', *options]) == 0
    return folder / 'smoke'


def detections(trained, options, folder, *more) -> list[bytes]:
    """Boxes, scores and labels of each picture."""
    results = folder / 'images.npz'
    argv = [CONFIG, str(trained / 'last.pth'), '--work-dir', str(folder), '--results', str(results), *more, *options]
    assert run(test.main, argv) == 0
    images, _ = load_results(results)
    assert [(image.width, image.height) for image in images] == [(160, 160)] * 2
    return [image.boxes.tobytes() + image.scores.tobytes() + image.labels.tobytes() for image in images]


def test_training_and_its_validation_see_tiles(trained):
    config = Config.fromfile(next(trained.glob('*/vis_data/config.py'), None) or next(trained.glob('*.py')))
    assert config.val_cfg.type == 'TiledValLoop'
    assert json.loads((trained / 'metrics.json').read_text()).keys() >= {'map', 'map50'}
    assert 'Fit of the boxes' in (trained / 'report.html').read_text()


def test_a_tile_that_holds_the_picture_changes_nothing_a_smaller_one_does(trained, options, tmp_path):
    whole = detections(trained, options, tmp_path / 'whole')
    assert detections(trained, options, tmp_path / 'large', '--tile', '160') == whole
    assert detections(trained, options, tmp_path / 'small', '--tile', '96', '--overlap', '0.3') != whole


def test_an_overlap_without_a_tile_is_one_line(trained, options, tmp_path, capsys):
    for words in (['--overlap', '0.2'], ['--tile', '96', '--overlap', '0'], ['--tile', '96', '--overlap', '0.7']):
        assert run(test.main, [CONFIG, str(trained / 'last.pth'), *words, *options]) == 2
        assert run(train.main, [CONFIG, '--work-dir', str(tmp_path / 'no'), *words, *options]) == 2
        assert all(line.startswith('error: --overlap') for line in capsys.readouterr().err.strip().splitlines())


def test_a_loop_that_does_not_know_tiles_is_refused():
    config = Config(dict(val_dataloader=dict(dataset=dict(type='X', pipeline=[])), val_cfg=dict(type='OtherLoop')))
    with pytest.raises(UserError, match='OtherLoop does not know tiles'):
        use_tiles(config, 64, 0.2)
