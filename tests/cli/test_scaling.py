"""What several processes mean: steps, learning rate, and the line that says so."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from detplug.cli import train
from detplug.cli.config import load_config
from detplug.cli.run import run
from detplug.cli.scaling import keep_epochs, scale_learning_rate
from plugins.samples.parasites import generate

ROOT = Path(__file__).resolve().parents[2]
TINY = ['model.backbone.width=0.125', 'model.neck.in_channels=[32,64,128]', 'model.bbox_head.in_channels=[32,64,128]']


def test_steps_and_schedules_are_divided_and_rounded_up(capsys):
    config = load_config('detplug::yolov5/yolov5n_bccd.py', ['train_dataloader.dataset.final_from=100'])
    keep_epochs(config, 4)
    assert (config.train_cfg.max_iters, config.train_cfg.val_interval) == (175, 25)
    warm_up, cosine = config.param_scheduler
    assert (warm_up.end, cosine.begin, cosine.end, cosine.T_max) == (13, 13, 175, 163)
    assert config.train_dataloader.dataset.final_from == 25 and config.optim_wrapper.optimizer.lr == 0.01
    shown = capsys.readouterr().out
    assert '700 steps / 4 processes = 175' in shown and 'hooks keep their steps' in shown


@pytest.mark.parametrize(('name', 'processes'), [('detplug::yolov5/yolov5n_bccd.py', 1),
                                                 ('mmdet::retinanet/retinanet_r18_fpn_1x_coco.py', 4)])  # fmt: skip
def test_one_process_and_training_by_epochs_need_nothing(name, processes):
    config = load_config(name)
    before = config.to_dict()
    keep_epochs(config, processes)
    assert config.to_dict() == before


@pytest.mark.parametrize(
    ('name', 'options', 'base'),
    [
        ('detplug::yolov5/yolov5n_bccd.py', ['train_dataloader.batch_size=64'], 16),  # of the file
        ('detplug::yolov5/yolov5n_malaria.py', [], 8),
        ('mmdet::yolox/yolox_tiny_8xb8-300e_coco.py', [], 64),  # the config says so
    ],
)
def test_the_learning_rate_is_of_the_batch_that_the_file_says(name, options, base):
    config = load_config(name, options)
    scale_learning_rate(config)
    assert config.auto_scale_lr == dict(enable=True, base_batch_size=base)


@pytest.fixture(scope='module')
def slides(tmp_path_factory) -> Path:
    return generate(tmp_path_factory.mktemp('data') / 'slides', counts=dict(train=6, val=4, test=4), size=64)


def test_a_training_says_what_it_is(slides, tmp_path, capsys):
    """With a switched-off checkpoint hook too: nothing is written that could be named at the end."""
    config = str(ROOT / 'configs/yolov5/yolov5n_parasite-samples.py')
    options = [f'data_root={slides}', *TINY, 'train_dataloader.batch_size=2', 'custom_hooks=[]',
               'default_hooks.checkpoint=None']  # fmt: skip
    argv = [config, '--work-dir', str(tmp_path), '--smoke', '--amp', '--auto-scale-lr', '--cfg-options', *options]
    assert run(train.main, argv) == 0
    shown, threads = capsys.readouterr().out, torch.get_num_threads()
    threads = f'{threads} thread{"s" if threads > 1 else ""}'
    assert 'mixed precision: bfloat16 on cpu, without a loss scaler' in shown
    assert f'1 process, {threads}: 2 images a step; 2 steps = 0.667 epochs of 6 images' in shown
    assert 'learning rate x 0.25 (2 images / 8)' in shown
    assert 'checkpoint' not in shown and not list(tmp_path.glob('smoke/*.pth'))
    dumped = Config.fromfile(next(tmp_path.glob('smoke/*.py')))
    assert dumped.optim_wrapper.type == 'DetplugAmpOptimWrapper'
