"""A learning rate that ends elsewhere than the training is said, with the key that both follow."""

import pytest
from mmengine.config import Config

from detplug.cli.config import load_config
from detplug.cli.schedule_end import describe_end

COSINE = dict(type='CosineAnnealingLR', by_epoch=False, begin=5, end=100, T_max=95)
WARM_UP = dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=5)


def line(steps: int, *schedulers: dict, **more) -> str:
    return describe_end(Config(dict(train_cfg=dict(max_iters=steps), param_scheduler=list(schedulers), **more)))


def test_a_longer_training_names_the_variable():
    assert line(300, WARM_UP, COSINE, max_iters=100) == (
        'param_scheduler.1: the learning rate falls for 100 steps, the training ends at 300, the last 200 run at its '
        'end; give max_iters=300, which both follow'
    )
    assert 'before its end' in line(50, WARM_UP, COSINE) and line(50, COSINE).endswith('change both')


@pytest.mark.parametrize(
    'schedulers',
    [
        [WARM_UP, COSINE],
        [WARM_UP],
        [dict(COSINE, end=80, T_max=75), dict(type='ConstantLR', by_epoch=False, factor=1, begin=80, end=100)],
        [dict(type='MultiStepLR', by_epoch=False, milestones=[60, 80])],
        [dict(type='CosineAnnealingLR', by_epoch=True, end=12, T_max=12)],
        [dict(type='LinearMomentum', start_factor=0.8, by_epoch=False, begin=0, end=7)],
        [],
    ],
)
def test_a_schedule_that_fits_or_has_no_end_says_nothing(schedulers):
    assert line(100, *schedulers) == ''


def test_epochs_are_compared_with_epochs():
    epochs = dict(type='PolyLR', by_epoch=True, begin=0, end=12)
    config = Config(dict(train_cfg=dict(max_epochs=24), param_scheduler=[epochs]))
    assert 'falls for 12 epochs, the training ends at 24' in describe_end(config)


def test_the_key_that_it_names_works():
    config = load_config('detplug::yolov5/yolov5n_bccd.py', ['train_cfg.max_iters=3000'])
    assert 'give max_iters=3000' in describe_end(config)
    assert describe_end(load_config('detplug::yolov5/yolov5n_bccd.py', ['max_iters=3000'])) == ''


@pytest.mark.parametrize('name', ['rtmdet/rtmdet_tiny_8xb32-300e_coco', 'yolox/yolox_tiny_8xb8-300e_coco'])
def test_the_schedules_of_mmdet_fit(name):
    assert describe_end(load_config(f'mmdet::{name}.py')) == ''
