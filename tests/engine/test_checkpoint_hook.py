"""Laws: newest two, last and best stay; nothing is deleted before its successor is complete."""

from pathlib import Path

import pytest
from tiny_training import MeanScore, build, write_images

from detplug.engine import atomic_file, checkpoint
from detplug.engine.checkpoint import load_file
from detplug.engine.checkpoint_hook import TRAINING_STATE, AtomicCheckpointHook, numbered_checkpoints
from detplug.errors import UserError


def steps(folder: Path) -> list[int]:
    return [step for step, _ in numbered_checkpoints(folder)]


@pytest.fixture
def scores(monkeypatch, tmp_path):
    """Sets what the validations find, in turn, and gives the folder of the images."""

    def use(*values):
        left = iter(values)
        monkeypatch.setattr(MeanScore, 'compute_metrics', lambda self, results: dict(score=next(left)))
        write_images(tmp_path)
        return tmp_path

    return use


def test_which_files_stay(scores):
    folder = scores(0.2, 0.5, 0.5, 0.1)
    build(folder, train_cfg__max_iters=8, train_cfg__val_interval=2, default_hooks__checkpoint__interval=2).train()
    work = folder / 'work'
    assert steps(work) == [8, 6]
    assert load_file(work / 'last.pth')['meta']['iter'] == 8
    assert load_file(work / 'best.pth')['meta']['iter'] == 4  # the first of two equal ones
    assert (work / 'last.pth').samefile(work / 'iter_8.pth')
    whole, best = load_file(work / 'last.pth'), load_file(work / 'best.pth')
    assert whole.keys() - best.keys() == set(TRAINING_STATE) and best['state_dict'].keys() == whole['state_dict'].keys()
    assert (work / 'best.pth').stat().st_size < 0.5 * (work / 'last.pth').stat().st_size
    assert not [path for path in work.iterdir() if atomic_file.TEMPORARY in path.name]


def test_best_of_a_step_without_a_checkpoint(scores):
    folder = scores(0.9, 0.1)
    build(folder, train_cfg__max_iters=6, train_cfg__val_interval=3, default_hooks__checkpoint__interval=4).train()
    assert load_file(folder / 'work' / 'best.pth')['meta']['iter'] == 3


def test_best_score_survives_a_resume(scores):
    folder = scores(0.9, 0.1, 0.1, 0.5)
    build(folder, train_cfg__max_iters=4, train_cfg__val_interval=2, default_hooks__checkpoint__interval=2).train()
    build(
        folder, train_cfg__max_iters=6, train_cfg__val_interval=2, default_hooks__checkpoint__interval=2, resume=True
    ).train()
    assert load_file(folder / 'work' / 'best.pth')['meta']['iter'] == 2


def test_old_ones_stay_while_the_new_one_cannot_be_written(scores, monkeypatch):
    folder = scores(*[0.5] * 9)
    save, saved = checkpoint.torch.save, []

    def fail_the_third(*args):
        saved.append(1)
        if len(saved) == 3:
            args[1].write(b'half a checkpoint')
            raise OSError('disk full')
        save(*args)

    monkeypatch.setattr(checkpoint.torch, 'save', fail_the_third)
    with pytest.raises(OSError, match='disk full'):
        build(folder, train_cfg__max_iters=8, default_hooks__checkpoint__interval=2).train()
    work = folder / 'work'
    assert steps(work) == [4, 2] and load_file(work / 'last.pth')['meta']['iter'] == 4
    assert not [path for path in work.iterdir() if atomic_file.TEMPORARY in path.name]


def test_metric_that_is_not_there(scores):
    folder = scores(0.5)
    runner = build(folder, train_cfg__max_iters=2, default_hooks__checkpoint__metric='map')
    with pytest.raises(UserError, match="'map' is not among the metrics score"):
        runner.train()


class Clock:
    """Each step of the training takes ``seconds``."""

    def __init__(self, runner, seconds: float):
        self.runner, self.seconds = runner, seconds

    def __call__(self) -> float:
        return self.runner.iter * self.seconds


@pytest.mark.parametrize(
    ('seconds', 'wanted'),
    [(0.0, [2, 4, 6, 7, 8, 10, 11]), (3.0, [4, 7, 11]), (2.0, [4, 6, 7, 10, 11]), (1000.0, [7, 11])],
)
def test_not_more_often_than_every_so_many_seconds(scores, monkeypatch, seconds, wanted):
    folder = scores(0.5, 0.6)
    runner = build(
        folder,
        train_cfg__max_iters=11,
        train_cfg__val_interval=7,
        default_hooks__checkpoint__interval=2,
        default_hooks__checkpoint__seconds=seconds,
        default_hooks__checkpoint__keep=100,
    )
    hook = next(hook for hook in runner.hooks if isinstance(hook, AtomicCheckpointHook))
    hook.clock = Clock(runner, 1.0)
    runner.train()
    assert steps(folder / 'work')[::-1] == wanted
    assert load_file(folder / 'work' / 'best.pth')['meta']['iter'] == 11
