"""Laws: one JSON object a step and a validation; a resume continues the file without doubles."""

import json
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from tiny_training import build, write_images

from detplug.engine.history import (
    is_kept,
    iterate_history,
    read_history,
    read_thinned,
    read_validations,
    to_number,
    truncate_history,
)


def test_rows_of_a_training(tmp_path):
    write_images(tmp_path)
    build(tmp_path, train_cfg__max_iters=6, train_cfg__val_interval=3).train()
    rows = read_history(tmp_path / 'work' / 'history.jsonl')
    assert [row['step'] for row in rows] == [1, 2, 3, 3, 4, 5, 6, 6]
    training = [row for row in rows if 'lr' in row]
    for row in training:
        assert row['loss'] == pytest.approx(row['loss_box'] + row['loss_number'], rel=1e-5)
        assert 0 <= row['data_time'] <= row['time']
    assert training[0]['lr'] == pytest.approx(0.002)  # 0.02 * start_factor: the rate that step 1 used
    validations = [row for row in rows if 'lr' not in row]
    assert [set(row) for row in validations] == [{'step', 'val/score', 'val/time', 'threads', 'memory'}] * 2
    assert all(0.05 < row['memory'] < 20 for row in validations)  # GiB


def test_means_over_an_interval_continue_after_a_resume(tmp_path):
    write_images(tmp_path)
    whole, parts, every = (dict(work_dir=str(tmp_path / name)) for name in ('whole', 'parts', 'every'))
    interval = dict(
        default_hooks__history=dict(type='HistoryHook', interval=4),
        default_hooks__checkpoint__interval=3,
        train_cfg__max_iters=9,
        train_cfg__val_interval=9,
    )
    build(tmp_path, **interval, **whole).train()
    build(tmp_path, **interval | dict(default_hooks__history=dict(type='HistoryHook')), **every).train()
    losses = [row['loss'] for row in read_history(tmp_path / 'every' / 'history.jsonl') if 'loss' in row]
    rows = [row for row in read_history(tmp_path / 'whole' / 'history.jsonl') if 'loss' in row]
    assert [row['step'] for row in rows] == [4, 8, 9]
    assert [row['loss'] for row in rows] == pytest.approx([sum(losses[:4]) / 4, sum(losses[4:8]) / 4, losses[8]])

    stopped = build(tmp_path, **interval, **parts)
    stopped.train_loop._max_iters = 9
    stopped.register_hook(StopAt(7))
    with pytest.raises(KeyboardInterrupt):
        stopped.train()
    build(tmp_path, resume=True, **interval, **parts).train()
    resumed = [row for row in read_history(tmp_path / 'parts' / 'history.jsonl') if 'loss' in row]
    assert [row['loss'] for row in resumed] == pytest.approx([row['loss'] for row in rows], abs=1e-6)


def StopAt(step):  # noqa: N802 - reads as the hook it returns
    """A hook that interrupts the training at the start of ``step``."""
    from mmengine.hooks import Hook

    class Stop(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter + 1 == step:
                raise KeyboardInterrupt

    return Stop()


def test_a_line_cut_off_by_a_crash_is_left_out(tmp_path):
    path = tmp_path / 'history.jsonl'
    assert read_history(path) == []
    path.write_text(json.dumps(dict(step=1)) + '\n' + '{"step": 2, "lo')
    assert read_history(path) == [dict(step=1)]


def test_rows_kept_on_resume():
    train, validation = (lambda step: dict(step=step, loss=1.0)), (lambda step: {'step': step, 'val/map': 1.0})
    assert is_kept(train(4), 4, True) and not is_kept(train(5), 4, True)
    assert is_kept(validation(3), 4, True) and not is_kept(validation(4), 4, True) and is_kept(validation(4), 4, False)


def test_numbers_that_json_does_not_have():
    assert to_number(float('nan')) is None and to_number(float('-inf')) is None and to_number(2) == 2.0


@pytest.fixture(scope='module')
def long_history(tmp_path_factory) -> Path:
    """200,000 training rows and 100 validations: 35 MB."""
    path = tmp_path_factory.mktemp('long') / 'history.jsonl'
    padding = ', '.join(f'"loss_{name}": 0.123456' for name in 'abcdef')
    with path.open('w') as file:
        for step in range(1, 200_001):
            file.write(f'{{"step": {step}, "loss": {step / 7:.6f}, {padding}}}\n')
            if step % 2000 == 0:
                file.write(f'{{"step": {step}, "val/map": 0.5}}\n')
    return path


def peak_mb(function) -> tuple[Any, float]:
    """Result, and the largest memory of Python's own while it was computed."""
    tracemalloc.start()
    try:
        return function(), tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def test_a_long_history_is_read_in_bounded_memory(long_history):
    rows, peak = peak_mb(lambda: read_thinned(long_history, most=1000))
    training, validations = ([row for row in rows if ('loss' in row) is kind] for kind in (True, False))
    assert peak < 5 and 500 <= len(training) <= 1000
    steps = [row['step'] for row in training]
    assert len({b - a for a, b in zip(steps, steps[1:], strict=False)}) == 1 and steps[-1] > 199_000
    assert [row['step'] for row in validations] == list(range(2000, 200_001, 2000))
    assert read_validations(long_history) == validations
    assert rows == sorted(rows, key=lambda row: (row['step'], 'loss' not in row))


def test_a_short_history_is_not_thinned(tmp_path):
    path = tmp_path / 'history.jsonl'
    assert read_thinned(path) == []
    rows = [dict(step=step, loss=1.0) for step in range(1, 8)]
    path.write_text(''.join(json.dumps(row) + '\n' for row in rows) + '{"step": 8, "lo')
    assert read_thinned(path, most=8) == read_history(path) == rows
    assert len(read_thinned(path, most=6)) == 4


def test_a_resume_cuts_the_end_off_in_place(long_history, tmp_path):
    path = Path(shutil.copy(long_history, tmp_path))
    size = path.stat().st_size
    _, peak = peak_mb(lambda: truncate_history(path, lambda row: is_kept(row, 199_000, True)))
    assert peak < 1 and 0.99 * size < path.stat().st_size < size
    rows = list(iterate_history(path))
    assert rows[-1]['step'] == 199_000 and len(rows) == 199_000 + 99
    with long_history.open('rb') as file:
        assert file.read(path.stat().st_size) == path.read_bytes()


@pytest.mark.parametrize('end', ['\n', '', '\n{"step": 3, "lo', '\n{"step": 4}\n{"step": 5}\n'])
def test_what_is_left_of_a_cut_is_whole_lines(tmp_path, end):
    path = tmp_path / 'history.jsonl'
    truncate_history(path, lambda row: True)
    assert not path.exists()
    path.write_text('{"step": 1}\n{"step": 2}' + end)
    truncate_history(path, lambda row: row['step'] < 3)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'
    truncate_history(path, lambda row: False)
    assert path.read_text() == ''
