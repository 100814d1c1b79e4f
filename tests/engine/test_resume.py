"""Law: a training that is killed and resumed ends as one that never stopped."""

import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from tiny_training import build, write_images

from detplug.engine.checkpoint import load_file
from detplug.engine.history import read_history
from detplug.engine.resume import newest_checkpoint


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory) -> Path:
    """Folder of a training without a stop, without loader processes."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp('uninterrupted')
    write_images(folder)
    build(folder).train()
    return folder / 'work'


def train(folder: Path, **changes) -> None:
    torch.set_num_threads(1)  # a forked process has no OpenMP threads
    build(
        folder, resume=True, train_dataloader__num_workers=2, train_dataloader__persistent_workers=True, **changes
    ).train()


def train_and_kill(folder: Path, step: int) -> None:
    """Train in a process of its own and SIGKILL it when it has done ``step`` steps."""
    child = multiprocessing.get_context('fork').Process(target=train, args=(folder,))
    child.start()
    deadline = time.monotonic() + 250
    while not any(row['step'] >= step for row in read_history(folder / 'work' / 'history.jsonl')):
        assert child.is_alive() and time.monotonic() < deadline, 'the training ended, or hangs, before it was killed'
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.join()


def largest_difference(one: dict, other: dict) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one if one[name].numel())


def test_killed_twice_equals_uninterrupted(uninterrupted, tmp_path):
    shutil.copytree(uninterrupted.parent, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns('work'))
    train_and_kill(tmp_path, step=6)
    assert newest_checkpoint(tmp_path / 'work').endswith('iter_4.pth')
    train_and_kill(tmp_path, step=14)
    train(tmp_path)

    wanted, found = read_history(uninterrupted / 'history.jsonl'), read_history(tmp_path / 'work' / 'history.jsonl')
    assert [row['step'] for row in found] == [row['step'] for row in wanted]
    for name in ('loss', 'loss_box', 'loss_number', 'lr', 'val/score'):
        assert [row.get(name) for row in found] == pytest.approx([row.get(name) for row in wanted], abs=1e-6), name
    assert len({row['loss'] for row in wanted if 'loss' in row}) == 24  # no two steps were alike by chance
    for file in ('last.pth', 'best.pth'):
        one, other = load_file(uninterrupted / file), load_file(tmp_path / 'work' / file)
        assert one['meta']['iter'] == other['meta']['iter']
        assert largest_difference(one['state_dict'], other['state_dict']) <= 1e-6
    one, other = (load_file(folder / 'last.pth') for folder in (uninterrupted, tmp_path / 'work'))
    assert largest_difference(one['ema_state_dict'], other['ema_state_dict']) <= 1e-6


class StopInValidation(Hook):
    """Ends the process's training when a validation begins, after the checkpoint of that step was written."""

    def before_val_epoch(self, runner):
        raise KeyboardInterrupt


def test_stopped_in_a_validation_repeats_it(uninterrupted, tmp_path):
    shutil.copytree(uninterrupted.parent, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns('work'))
    runner = build(tmp_path)
    runner.register_hook(StopInValidation())
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    build(tmp_path, resume=True).train()
    wanted, found = (read_history(folder / 'history.jsonl') for folder in (uninterrupted, tmp_path / 'work'))
    assert [row.get('val/score') for row in found] == pytest.approx([row.get('val/score') for row in wanted], abs=1e-6)
    assert [row.get('loss') for row in found] == pytest.approx([row.get('loss') for row in wanted], abs=1e-6)


def test_checkpoint_holds_the_draw_number_and_the_averaged_weights(uninterrupted):
    checkpoint = load_file(uninterrupted / 'iter_20.pth')
    assert checkpoint['meta']['iter'] == 20 and checkpoint['meta']['draw'] == 20 * 3
    raw = {name.removeprefix('module.'): x for name, x in checkpoint['ema_state_dict'].items() if name != 'steps'}
    assert largest_difference(raw, checkpoint['state_dict']) > 1e-4  # state_dict is the average, not the raw weights


def test_newest_that_loads_is_taken_and_said(uninterrupted, tmp_path, capsys):
    for name in ('iter_20.pth', 'iter_24.pth'):
        shutil.copy(uninterrupted / name, tmp_path / name)
    assert newest_checkpoint(tmp_path) == str(tmp_path / 'iter_24.pth')
    newest = tmp_path / 'iter_24.pth'
    newest.write_bytes(newest.read_bytes()[:-1000])
    capsys.readouterr()
    assert newest_checkpoint(tmp_path) == str(tmp_path / 'iter_20.pth')
    said = capsys.readouterr().out
    assert 'iter_24.pth: not a complete checkpoint' in said
    torch.save(dict(state_dict={}), newest)  # weights alone are no training
    assert newest_checkpoint(tmp_path) == str(tmp_path / 'iter_20.pth')


def test_resume_says_from_where(uninterrupted, tmp_path, capsys):
    shutil.copytree(uninterrupted.parent, tmp_path, dirs_exist_ok=True)
    newest = tmp_path / 'work' / 'iter_24.pth'
    os.truncate(newest, 5000)
    (tmp_path / 'work' / 'last.pth').unlink()
    build(tmp_path, resume=True).train()
    assert 'resumed from ' + str(tmp_path / 'work' / 'iter_20.pth') + ' (step 20 of 24)' in capsys.readouterr().out
    assert load_file(newest)['meta']['iter'] == 24


def test_nothing_to_resume_starts_from_the_beginning(uninterrupted, tmp_path, capsys):
    shutil.copytree(uninterrupted.parent, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns('work'))
    build(tmp_path, resume=True, train_cfg__max_iters=2).train()
    assert 'nothing to resume' in capsys.readouterr().out
    assert read_history(tmp_path / 'work' / 'history.jsonl')[0]['step'] == 1


def test_a_fine_tuning_is_resumed_from_its_own_checkpoints(uninterrupted, tmp_path, capsys):
    shutil.copytree(uninterrupted.parent, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns('work'))
    weights = str(uninterrupted / 'best.pth')  # a whole training state, of another training
    build(tmp_path, resume=True, load_from=weights, train_cfg__max_iters=1).train()
    assert f'nothing to resume; training starts from {weights}' in capsys.readouterr().out
    runner = build(tmp_path, resume=True, load_from=weights, train_cfg__max_iters=2)
    runner.train()
    assert 'iter_1.pth (step 1 of 2)' in capsys.readouterr().out
    own = str(tmp_path / 'work' / 'iter_1.pth')
    build(tmp_path, resume=True, load_from=own, train_cfg__max_iters=2).train()
    assert 'iter_1.pth (step 1 of 2)' in capsys.readouterr().out
