"""Laws of training by epochs: as many steps as mmengine's loop, each image once an epoch, resumed = uninterrupted."""

import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop
from tiny_training import build, config, write_images

from detplug.engine.history import read_history
from detplug.engine.seeded_dataset import SeededDataset
from detplug.errors import UserError

EPOCHS, STEPS = 3, 4  # 11 images in batches of 3


class Stop(Hook):
    """Ends a training as Ctrl-C does, after ``step`` steps, and notes what hooks saw."""

    priority = 'LOWEST'

    def __init__(self, step=None):
        self.step, self.events, self.images, self.flips = step, [], [], []

    def before_train_epoch(self, runner):
        self.events.append(f'begin {runner.epoch}')

    def after_train_epoch(self, runner):
        self.events.append(f'end {runner.epoch}')

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.images += [sample.img_id for sample in data_batch['data_samples']]
        self.flips += [bool(sample.get('flip')) for sample in data_batch['data_samples']]
        if runner.iter + 1 == self.step:
            raise KeyboardInterrupt


def train(folder, stop=None, **changes):
    """A training by epochs with mmengine's sampler; returns its runner and the hook."""
    loader = dict(
        train_dataloader__sampler=dict(type='DefaultSampler', shuffle=True),
        train_dataloader__batch_sampler=dict(type='EpochBatchSampler', **changes.pop('batches', {})),
        train_cfg=dict(type='ResumableEpochLoop', max_epochs=EPOCHS, _delete_=True),
        param_scheduler=[dict(type='MultiStepLR', by_epoch=True, milestones=[1, 2], gamma=0.5)],
        default_hooks__checkpoint=dict(type='AtomicCheckpointHook', interval=1, metric='score', keep=9),
    )
    runner, hook = build(folder, **(loader | changes)), Stop(stop)
    runner.register_hook(hook)
    try:
        runner.train()
    except KeyboardInterrupt:
        assert stop is None or runner.iter == stop - 1
    return runner, hook


def rates(folder) -> list[float]:
    return [row['lr'] for row in read_history(folder / 'work' / 'history.jsonl') if 'lr' in row]


def validations(folder) -> list[int]:
    return [row['step'] for row in read_history(folder / 'work' / 'history.jsonl') if 'val/score' in row]


@pytest.mark.parametrize(
    'batches', [{}, dict(batch_sampler=dict(type='AspectRatioBatchSampler'))], ids=['plain', 'ratio']
)
def test_each_epoch_has_every_image_once(batches, tmp_path):
    write_images(tmp_path)
    runner, hook = train(tmp_path, batches=batches)
    assert runner.max_iters == EPOCHS * STEPS == runner.iter
    epochs = [hook.images[i * 11 : (i + 1) * 11] for i in range(EPOCHS)]
    assert all(sorted(epoch) == list(range(1, 12)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert hook.events == [f'{what} {i}' for i in range(EPOCHS) for what in ('begin', 'end')]
    assert rates(tmp_path) == [0.02] * STEPS + [0.01] * STEPS + [0.005] * STEPS
    assert validations(tmp_path) == [STEPS, 2 * STEPS, 3 * STEPS]


def test_the_rate_of_every_step_is_that_of_mmengines_loop(tmp_path):
    write_images(tmp_path)
    train(tmp_path, train_cfg__val_interval=2)
    own, seen = rates(tmp_path), validations(tmp_path)
    stock, _ = train(
        tmp_path,
        work_dir=str(tmp_path / 'stock' / 'work'),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=EPOCHS, val_interval=2, _delete_=True),
        train_dataloader__batch_sampler=None,
        default_hooks__checkpoint=None,
    )
    assert type(stock.train_loop) is EpochBasedTrainLoop and stock.iter == EPOCHS * STEPS
    assert rates(tmp_path / 'stock') == own and validations(tmp_path / 'stock') == seen == [8, 12]


@pytest.mark.parametrize('stop', [2, 4, 7], ids=['in an epoch', 'at its end', 'in the second'])
def test_resumed_equals_uninterrupted(stop, tmp_path):
    write_images(tmp_path)
    whole, seen = train(tmp_path)
    wanted = rates(tmp_path)
    (tmp_path / 'work').rename(tmp_path / 'whole')
    _, first = train(tmp_path, stop)
    again, second = train(tmp_path, resume=True)
    assert again.train_loop.resumed_from == stop
    assert first.images + second.images == seen.images
    assert rates(tmp_path) == wanted and validations(tmp_path) == [4, 8, 12]
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(value, again.model.state_dict()[name], rtol=0, atol=0, msg=name)


class StopInValidation(Hook):
    """Writes a checkpoint when the first validation begins, and ends the training there."""

    def before_val(self, runner):
        meta = dict(epoch=runner.epoch, iter=runner.iter)
        runner.save_checkpoint(runner.work_dir, f'iter_{runner.iter}.pth', meta=meta, by_epoch=False)
        raise KeyboardInterrupt


def test_a_validation_that_was_interrupted_is_run_again(tmp_path):
    write_images(tmp_path)
    whole, _ = train(tmp_path)
    wanted = rates(tmp_path)
    (tmp_path / 'work').rename(tmp_path / 'whole')
    stopped, _ = train(tmp_path, custom_hooks=[*config(tmp_path).custom_hooks, dict(type=StopInValidation)])
    assert stopped.iter == STEPS and not validations(tmp_path)
    again, _ = train(tmp_path, resume=True)
    assert again.train_loop.resumed_from == STEPS and rates(tmp_path) == wanted
    assert validations(tmp_path) == [4, 8, 12]
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(value, again.model.state_dict()[name], rtol=0, atol=0, msg=name)


def test_steps_of_an_epoch_can_be_fewer_than_its_images(tmp_path):
    write_images(tmp_path)
    runner, hook = train(
        tmp_path, train_cfg=dict(type='ResumableEpochLoop', max_epochs=1, steps_per_epoch=2, _delete_=True)
    )
    assert runner.iter == 2 and validations(tmp_path) == [2] and len(set(hook.images)) == 6


@pytest.mark.parametrize('workers', [0, 2])
def test_a_hook_may_exchange_the_pipeline_between_epochs(workers, tmp_path):
    """mmdet's PipelineSwitchHook, as RTMDet's configs have it; loader processes that stay must see it too."""
    write_images(tmp_path)
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
    flipped = [*load, dict(type='RandomFlip', prob=1.0), dict(type='PackDetInputs')]
    pack = dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))
    settings = config(tmp_path).train_dataloader.dataset.dataset.dataset
    runner, hook = train(
        tmp_path,
        train_dataloader__dataset__dataset=dict(settings, pipeline=[*load, pack], _delete_=True),
        train_dataloader__num_workers=workers,
        train_dataloader__persistent_workers=workers > 0,
        custom_hooks=[dict(type='PipelineSwitchHook', switch_epoch=1, switch_pipeline=flipped)],
    )
    assert hook.flips == [False] * 11 + [True] * 22


def test_transforms_can_be_switched_off(tmp_path):
    """As mmdet's YOLOXModeSwitchHook does."""
    write_images(tmp_path)
    dataset = DATASETS.build(config(tmp_path).train_dataloader.dataset)
    mixed = dataset[0, 0]['inputs']
    assert mixed.shape[-1] == 32
    dataset.update_skip_type_keys(['Mosaic', 'RandomAffine', 'YOLOXHSVRandomAug', 'RandomFlip', 'Albu'])
    assert dataset.dataset._skip_type_keys[0] == 'Mosaic' and not torch.equal(dataset[0, 0]['inputs'], mixed)
    with pytest.raises(UserError, match='has no update_skip_type_keys, which a hook changes'):
        SeededDataset(dataset.dataset.dataset).update_skip_type_keys([])
