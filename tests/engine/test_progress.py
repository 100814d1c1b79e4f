"""Laws: speed and time left follow from the clock; a pipe gets plain lines, a terminal a bar."""

import io
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from tiny_training import build, write_images

from detplug.engine.progress import Meter, ProgressHook, batch_size, memory_gib, memory_text, short_time


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_speed_of_a_known_clock():
    clock = Clock()
    meter = Meter(window=10, clock=clock)
    for seconds in (2.0, 2.0, 5.0):
        clock.now += seconds
        meter.add(images=6)
    assert meter.seconds_per_step == pytest.approx(3.0) and meter.images_per_second == pytest.approx(2.0)
    clock.now += 1000
    meter.skip()
    clock.now += 3.0
    meter.add(images=6)
    assert meter.images_per_second == pytest.approx(2.0)


def test_images_of_a_batch():
    assert batch_size(dict(inputs=[1, 2, 3])) == 3 and batch_size({}) == 0 and batch_size(dict(inputs={})) == 0
    assert batch_size(dict(inputs=dict(sup=[1, None], student=[None, 2]))) == 2


def test_short_time_and_memory():
    assert [short_time(s) for s in (-1, 5.2, 3661)] == ['0:00:00', '0:00:05', '1:01:01']
    assert 0.01 < memory_gib() < 1000


def test_plain_lines_where_the_output_is_no_terminal(tmp_path, capsys):
    write_images(tmp_path)
    build(
        tmp_path,
        train_cfg__max_iters=6,
        train_cfg__val_interval=6,
        default_hooks__progress=dict(type='ProgressHook', interval=2),
    ).train()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith('train')] == [['train', s] for s in '246']
    assert all(word in lines[-2] for word in ('loss', 'images/s', 'left', 'GiB')) or 'validate' in lines[-2]
    assert lines[-1].startswith('step 6  validate  score ')


def test_bar_on_a_terminal_is_closed_also_after_an_error(tmp_path):
    write_images(tmp_path)
    runner = build(tmp_path, train_cfg__max_iters=8, train_cfg__val_interval=4)
    hook = next(hook for hook in runner.hooks if isinstance(hook, ProgressHook))
    hook.console = Console(force_terminal=True, file=io.StringIO(), width=120)
    runner.model.poisoned = ('loss', 6)
    with pytest.raises(ValueError, match='step 6'):
        runner.train()
    shown = hook.console.file.getvalue()
    assert 'train' in shown and 'images/s' in shown and '/8' in shown and 'step 4  validate' in shown
    assert hook.shown is None and shown.endswith('\x1b[?25h')  # the cursor is back


def test_evaluation_alone(tmp_path, capsys):
    write_images(tmp_path)
    runner = build(tmp_path, default_hooks__progress=dict(type='ProgressHook', interval=2))
    runner.test()
    out = capsys.readouterr().out
    assert 'test 2  of 6' in out and 'test  score' in out
    assert isinstance(runner._train_loop, dict)  # evaluation builds no training data


def test_memory_of_an_accelerator_stands_beside_the_hosts(monkeypatch):
    assert memory_text(torch.device('cpu')).count('GiB') == 1
    counted = SimpleNamespace(max_memory_allocated=lambda device: 3 * 2**30)
    monkeypatch.setattr(torch, 'get_device_module', lambda device: counted)
    assert memory_text(torch.device('cuda')).endswith(' GiB + 3.0 GiB cuda')
    monkeypatch.setattr(torch, 'get_device_module', lambda device: SimpleNamespace())
    assert memory_text(torch.device('meta')).count('GiB') == 1
