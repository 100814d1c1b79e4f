"""Keys that a config lacks are taken where the part beside them would take them, and refused elsewhere."""

import inspect

import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch.utils.data import DataLoader

from detplug.cli.options import addable, apply_options, optional_parameters, parse_options
from detplug.errors import UserError


@pytest.fixture
def config() -> Config:
    return Config(
        dict(
            default_scope='mmdet',
            model=dict(type='RetinaNet', test_cfg=dict(nms_pre=10), backbone=dict(type='ResNet', depth=18)),
            train_dataloader=dict(batch_size=2, dataset=dict(type='CocoDataset', pipeline=[dict(type='RandomFlip')])),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)),
            train_cfg=dict(type='ResumableIterLoop', max_iters=4),
            default_hooks=dict(checkpoint=dict(type='AtomicCheckpointHook')),
            plain=dict(width=3),
        )
    )


@pytest.mark.parametrize(
    ('option', 'value'),
    [
        ('train_dataloader.pin_memory=True', True),
        ('train_dataloader.prefetch_factor=4', 4),
        ('optim_wrapper.accumulative_counts=4', 4),
        ('optim_wrapper.optimizer.momentum=0.9', 0.9),
        ('optim_wrapper.clip_grad.max_norm=10', 10),
        ('optim_wrapper.paramwise_cfg.norm_decay_mult=0.0', 0.0),
        ('train_dataloader.dataset.indices=8', 8),
        ('train_dataloader.dataset.pipeline.0.prob=0.5', 0.5),
        ('model.backbone.base_channels=8', 8),
        ('train_cfg.val_interval=2', 2),
        ('default_hooks.checkpoint.interval=7', 7),
        ('load_from=a.pth', 'a.pth'),
        ('randomness.seed=4', 4),
    ],
)
def test_a_key_that_the_part_would_take_is_added(config, option, value):
    apply_options(config, parse_options([option]), 'x.py')
    node = config
    for part in option.partition('=')[0].split('.'):
        node = node[int(part)] if part.isdigit() else node[part]
    assert node == value


def test_options_are_read_as_one(config):
    for options in (['optim_wrapper.dtype=bfloat16', 'optim_wrapper.type=AmpOptimWrapper'],) * 2:
        apply_options(config, parse_options(options), 'x.py')
        options.reverse()
    assert (config.optim_wrapper.type, config.optim_wrapper.dtype) == ('AmpOptimWrapper', 'bfloat16')


@pytest.mark.parametrize(
    ('option', 'words'),
    [
        ('train_dataloader.pin_memry=True', "did you mean 'pin_memory'"),
        ('optim_wrapper.dtype=bfloat16', "has no 'dtype' in optim_wrapper"),
        ('optim_wrapper.accumulative_count=4', "did you mean 'accumulative_counts'"),
        ('train_dataloader.dataset.indics=8', "did you mean 'indices'"),
        ('model.test_cfg.nms_per=8', "did you mean 'nms_pre'"),
        ('plain.widht=3', "did you mean 'width'"),
        ('train_cfg.dataloader=3', "has no 'dataloader' in train_cfg"),
        ('max_iters=3', "has no 'max_iters' in the top level"),
        ('train_dataloader.dataset.pipeline.1.prob=1', "has no '1'"),
    ],
)
def test_anything_else_is_one_line(config, option, words):
    before = config.to_dict()
    with pytest.raises(UserError) as error:
        apply_options(config, parse_options([option]), 'x.py')
    assert words in str(error.value) and '\n' not in str(error.value) and config.to_dict() == before


def test_the_schema_is_the_signature():
    """Of a loader all of torch's optional arguments; of a class those that its bases get through **kwargs too."""
    wanted = [x.name for x in inspect.signature(DataLoader).parameters.values() if x.default is not x.empty]
    assert set(wanted) <= set(addable(dict(batch_size=2), 'val_dataloader'))
    own = optional_parameters(DATASETS.get('CocoDataset'))
    assert {'indices', 'serialize_data', 'return_classes'} <= set(own) and 'self' not in own
    assert 'optimizer' not in optional_parameters(OptimWrapper)  # has no default: the runner gives it
