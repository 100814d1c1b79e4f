"""Laws of training by epochs: as many steps as mmengine's loop, each image once an epoch, resumed = uninterrupted."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop
from tiny_training import build, write_images

from detplug.engine.history import read_history

EPOCHS, STEPS = 3, 4  # 11 images in batches of 3


class Stop(Hook):
    """Ends a training as Ctrl-C does, after ``step`` steps, and notes what hooks saw."""

    priority = 'LOWEST'

    def __init__(self, step=None):
        self.step, self.events, self.images = step, [], []

    def before_train_epoch(self, runner):
        self.events.append(f'begin {runner.epoch}')

    def after_train_epoch(self, runner):
        self.events.append(f'end {runner.epoch}')

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.images += [sample.img_id for sample in data_batch['data_samples']]
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
        assert runner.iter == stop - 1
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


def test_steps_of_an_epoch_can_be_fewer_than_its_images(tmp_path):
    write_images(tmp_path)
    runner, hook = train(
        tmp_path, train_cfg=dict(type='ResumableEpochLoop', max_epochs=1, steps_per_epoch=2, _delete_=True)
    )
    assert runner.iter == 2 and validations(tmp_path) == [2] and len(set(hook.images)) == 6
