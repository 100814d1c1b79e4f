"""The config of a recipe: it loads for every model, derived numbers follow, and it holds what was chosen."""

from pathlib import Path

import pytest
from yolo_set import write_yolo

from detplug.cli.config import load_config
from detplug.cli.train_data import compute, write
from detplug.errors import UserError
from detplug.recipe.models import find_model, recipe_models
from detplug.recipe.settings import RecipeSettings
from detplug.recipe.train_options import split_options


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    return write_yolo(tmp_path_factory.mktemp('data') / 'yolo')


def config_of(data: Path, folder: Path, options=(), table=None, **settings):
    settings |= dict(options=split_options(table or {})[0])
    chosen = RecipeSettings(**dict(data=str(data), model='yolov5n', work_dir=str(folder), device='cpu') | settings)
    return load_config(write(compute(chosen), folder), options)


@pytest.mark.parametrize('name', sorted(recipe_models()))
def test_the_config_of_every_model_fits_the_data_and_downloads_nothing(data, tmp_path, name, capsys):
    config = config_of(data, tmp_path, model=name)
    head = config.model.get('bbox_head') or config.model.roi_head.bbox_head
    assert head.num_classes == 10 == len(config.test_dataloader.dataset.metainfo.classes)
    text = (tmp_path / 'config.py').read_text()
    assert 'http' not in text and 'torchvision://' not in text and 'frozen_stages=1' not in text
    assert not capsys.readouterr().out, 'nothing in it has to be fitted to our tools'
    assert (
        config.work_dir == str(tmp_path)
        and config.train_dataloader.dataset.dataset.dataset.data_root == f'{tmp_path}/data/'
    )


def test_numbers_follow_from_the_data(data, tmp_path):
    config = config_of(data, tmp_path)
    assert config.img_scale == (64, 64), 'the largest picture'
    assert config.train_dataloader.batch_size == 8 and config.train_cfg.max_iters == 100 * 4 // 8
    assert config.model.test_cfg.max_per_img == config.val_evaluator.max_dets == 300
    assert config_of(data, tmp_path, epochs=6, batch=2).train_cfg.max_iters == 12
    assert config_of(data, tmp_path, steps=30).train_cfg.max_iters == 30


def test_derived_numbers_follow_an_option(data, tmp_path):
    config = config_of(data, tmp_path, ['max_iters=1000', 'batch_size=32', 'img_scale=(96,96)'])
    warmup, cosine = config.param_scheduler
    assert (warmup.end, cosine.begin, cosine.end, cosine.T_max) == (100, 100, 1000, 900)
    assert config.train_cfg.val_interval == 100 and config.custom_hooks[0].momentum == 1 / 250
    assert config.optim_wrapper.optimizer.lr == pytest.approx(0.002 * 2), 'square root of 32 / 8'
    assert config.train_dataloader.batch_size == config.val_dataloader.batch_size == 32
    scales = [step.scale for step in (*config.train_dataloader.dataset.dataset.dataset.pipeline,
              *config.test_dataloader.dataset.pipeline) if 'scale' in step]  # fmt: skip
    assert scales == [(96, 96)] * 2


def test_choices_are_in_the_config(data, tmp_path):
    weights = tmp_path / 'start.pth'
    weights.write_bytes(b'')
    table = dict(seed=7, amp=True, augmentation='natural', weights=weights, unknown='taenia')
    config = config_of(data, tmp_path, table=table)
    assert config.randomness.seed == 7 and config.load_from == str(weights)
    assert (config.optim_wrapper.type, config.optim_wrapper.dtype) == ('DetplugAmpOptimWrapper', 'bfloat16')
    assert config.optim_wrapper.optimizer.type == 'SGD', 'fine-tuning'
    mosaic = config.train_dataloader.dataset.dataset.pipeline[0]
    assert tuple(mosaic.flips) == (0.5, 0, 0), 'photographs have an upside'
    assert config.test_dataloader.dataset.unknown_classes == ('taenia',) and len(config.classes) == 9


def test_given_weights_keep_the_frozen_layers_of_a_model(data, tmp_path):
    weights = tmp_path / 'start.pth'
    weights.write_bytes(b'')
    given = config_of(data, tmp_path, model='retinanet-r18', table=dict(weights=weights))
    assert given.model.backbone.frozen_stages == 1
    assert config_of(data, tmp_path, model='retinanet-r18').model.backbone.frozen_stages == -1


@pytest.mark.parametrize(
    ('wrong', 'line'),
    [
        (dict(size=100), r'--size 100: not a multiple of 32; give 96'),
        (dict(size=-32), r'--size -32: not a whole number from 32 on'),
        (dict(batch=0), r'--batch 0: not a whole number from 1 on'),
        (dict(batch='many'), r'--batch many: not a whole number'),
        (dict(steps=1), r'--steps 1: not a whole number from 2 on'),
        (dict(epochs=1.5), r'--epochs 1.5: not a whole number'),
        (dict(minutes=0), r'--minutes 0: not a number above 0'),
        (dict(minutes=float('nan')), r'--minutes nan: not a number above 0'),
        (dict(minutes=3, steps=3), r'--steps and --minutes: both say how long'),
    ],
)
def test_a_wrong_choice_is_one_line(wrong, line):
    with pytest.raises(UserError, match=line):
        RecipeSettings(**dict(data='d', model='yolov5n', work_dir='w') | wrong)


def test_a_model_that_does_not_exist_names_a_near_one():
    with pytest.raises(UserError, match=r'--model yolo5n: no such model; did you mean yolov5n\? one of rtmdet-tiny'):
        find_model('yolo5n')
