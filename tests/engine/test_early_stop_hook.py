"""A training ends when its validations no longer improve, also one that was resumed."""

import copy

import pytest
from tiny_training import MeanScore, build, write_images

from detplug.engine.checkpoint import load_file
from detplug.engine.early_stop_hook import EarlyStopHook
from detplug.engine.history import read_validations
from detplug.errors import UserError


@pytest.fixture
def scores(monkeypatch, tmp_path):
    """Sets what the validations find, in turn, and gives the folder of the images."""

    def use(*values):
        left = iter(values)
        monkeypatch.setattr(MeanScore, 'compute_metrics', lambda self, results: dict(score=next(left)))
        return tmp_path

    write_images(tmp_path)
    return use


def train(folder, patience=2, steps=20, **changes):
    hooks = [dict(type='EarlyStopHook', patience=patience, metric='score')]
    build(folder, train_cfg__max_iters=steps, train_cfg__val_interval=2, custom_hooks=hooks, **changes).train()
    return [row['step'] for row in read_validations(folder / 'work' / 'history.jsonl')]


def test_patience_counts_from_the_best_one(scores, capsys):
    folder = scores(0.1, 0.5, 0.4, 0.6, 0.6, 0.5, 0.9)  # an equal one is no better one
    assert train(folder) == [2, 4, 6, 8, 10, 12]
    assert load_file(folder / 'work/best.pth')['meta']['iter'] == 8
    assert load_file(folder / 'work/last.pth')['meta']['iter'] == 12
    assert 'step 12: 2 validations without a better score; the training ends here' in capsys.readouterr().out


def test_one_that_improves_goes_to_its_end(scores):
    assert train(scores(0.1, 0.2, 0.3, 0.4), patience=1, steps=8) == [2, 4, 6, 8]


def test_a_resumed_training_counts_what_was_before(scores):
    folder = scores(0.5, 0.4)
    train(folder, patience=3, steps=4)
    # the validation at step 4 is made again
    scores(0.4, 0.3, 0.2, 0.9)
    assert train(folder, patience=3, resume=True) == [2, 4, 6, 8]


EPOCH = 4  # steps: 11 images in batches of 3


@pytest.fixture
def by_epochs():
    """What a config that counts in epochs has; its checkpoints are rarer than its validations."""
    return dict(
        train_dataloader__sampler=dict(type='DefaultSampler', shuffle=True),
        train_dataloader__batch_sampler=dict(type='EpochBatchSampler'),
        train_cfg=dict(type='ResumableEpochLoop', max_epochs=10, _delete_=True),
        param_scheduler=[dict(type='MultiStepLR', by_epoch=True, milestones=[1, 2], gamma=0.5)],
        default_hooks__checkpoint=dict(type='AtomicCheckpointHook', interval=100, metric='score'),
    )


def train_epochs(folder, changes, patience=2):
    hooks = [dict(type='EarlyStopHook', patience=patience, metric='score')]
    runner = build(folder, custom_hooks=hooks, **copy.deepcopy(changes))  # merging takes _delete_ out
    runner.train()
    return [row['step'] // EPOCH for row in read_validations(folder / 'work' / 'history.jsonl')], runner


@pytest.mark.parametrize('interval', [1, 2])
def test_a_loop_of_epochs(scores, by_epochs, interval, capsys):
    folder = scores(0.1, 0.5, 0.4, 0.5, 0.9)
    seen, runner = train_epochs(folder, by_epochs | dict(train_cfg__val_interval=interval))
    assert seen == [epoch * interval for epoch in (1, 2, 3, 4)] and runner.epoch == 4 * interval
    assert load_file(folder / 'work/best.pth')['meta']['iter'] == 2 * interval * EPOCH
    assert load_file(folder / 'work/last.pth')['meta']['iter'] == 4 * interval * EPOCH
    assert f'step {4 * interval * EPOCH}: 2 validations without a better score' in capsys.readouterr().out


def test_mmengines_own_loop_of_epochs(scores, by_epochs):
    stock = dict(train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=10, val_interval=2, _delete_=True))
    changes = dict(train_dataloader__batch_sampler=None, default_hooks__checkpoint=None)
    assert train_epochs(scores(0.5, 0.4, 0.4, 0.9), by_epochs | stock | changes)[0] == [2, 4, 6]


@pytest.mark.parametrize('stop', [2, 3], ids=['after a better one', 'after one that is not better'])
def test_a_resumed_loop_of_epochs_counts_what_was_before(scores, by_epochs, stop):
    values = [0.1, 0.5, 0.4, 0.3, 0.9]
    folder = scores(*values)
    train_epochs(folder, by_epochs | dict(train_cfg__max_epochs=stop))
    scores(*values[stop - 1 :])  # the validation at the end of the checkpoint's epoch is made again
    assert train_epochs(folder, by_epochs | dict(resume=True))[0] == [1, 2, 3, 4]
    scores(0.3, 0.9)
    assert train_epochs(folder, by_epochs | dict(resume=True))[0] == [1, 2, 3, 4], 'it had ended, and stays so'


def test_wrong_arguments_are_one_line(scores):
    with pytest.raises(UserError, match='patience: 0: not 1 or more'):
        EarlyStopHook(0)
    hooks = [dict(type='EarlyStopHook', patience=1, metric='map')]
    with pytest.raises(UserError, match="metric: 'map' is not among the metrics score"):
        build(scores(0.5), train_cfg__val_interval=2, custom_hooks=hooks).train()
