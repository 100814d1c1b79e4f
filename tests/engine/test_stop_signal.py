"""Laws: a signal costs nothing that was trained, it ends all processes at one step, and no handler stays."""

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from tiny_training import build, write_images

from detplug.engine.checkpoint import load_file
from detplug.engine.history import read_history
from detplug.engine.stop_signal import SIGNALS, StopRequest, leave_signals_to_main_process

FORK = multiprocessing.get_context('fork')
SHORT = dict(default_hooks__checkpoint__interval=1000, train_cfg__max_iters=5, train_cfg__val_interval=3)
TWO = dict(launcher='pytorch')


@pytest.fixture(scope='module', autouse=True)
def warm(tmp_path_factory) -> None:
    """What every child would import and compile for itself is there before it is forked: 0.4 s in place of 1.3 s."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp('warm')
    write_images(folder)
    build(folder, train_cfg__max_iters=1).train()


class Meet(Hook):
    """Waits at a point of the training until the test has sent its signal: the files ``here`` and ``sent``."""

    def __init__(self, folder: Path, point: str, step: int):
        self.folder = folder
        setattr(self, point, lambda runner, *args, **more: self._wait() if runner.iter == step else None)

    def _wait(self):
        (self.folder / 'here').touch()
        wait_until((self.folder / 'sent').exists)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def train(folder: Path, meet: tuple[str, int] | None, environment: dict, changes: dict) -> None:
    os.setsid()
    os.environ.update(environment)
    torch.set_num_threads(1)  # a forked process has no OpenMP threads
    runner = build(folder, resume=True, **SHORT, **changes)
    if meet is not None:
        runner.register_hook(Meet(folder, *meet), priority='HIGHEST')
    runner.train()


def train_apart(folder: Path, meet=None, environment=(), **changes) -> multiprocessing.Process:
    child = FORK.Process(target=train, args=(folder, meet, dict(environment), changes))
    child.start()
    return child


def send(folder: Path, child: multiprocessing.Process, *numbers: int) -> None:
    """Send signals to all processes of ``child``'s group when it is where it meets us."""
    wait_until(lambda: (folder / 'here').exists() or not child.is_alive())
    for number in numbers:
        os.killpg(child.pid, number)
    (folder / 'sent').touch()


def end(*children: multiprocessing.Process) -> list[int]:
    """Exit statuses."""
    for child in children:
        child.join(100)
    return [child.exitcode for child in children]


def forget_meeting(folder: Path) -> None:
    for name in ('here', 'sent'):
        (folder / name).unlink()


def assert_equal_ends(one: Path, other: Path) -> None:
    wanted, found = (read_history(folder / 'work' / 'history.jsonl') for folder in (one, other))
    for name in ('step', 'loss', 'lr', 'val/score'):
        assert [row.get(name) for row in found] == pytest.approx([row.get(name) for row in wanted], abs=1e-6), name
    wanted, found = (load_file(folder / 'work' / 'last.pth') for folder in (one, other))
    for part in ('state_dict', 'ema_state_dict'):
        torch.testing.assert_close(found[part], wanted[part], rtol=0, atol=1e-6)


def step_of(folder: Path) -> int:
    return load_file(folder / 'work' / 'last.pth')['meta']['iter']


def test_stopped_twice_equals_uninterrupted(tmp_path, capfd):
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    whole.mkdir()
    write_images(whole)
    shutil.copytree(whole, parts)
    assert end(train_apart(whole)) == [0]

    workers = dict(train_dataloader__num_workers=2, val_dataloader__num_workers=1)
    child = train_apart(parts, ('before_train_iter', 1), **workers)
    send(parts, child, signal.SIGTERM, signal.SIGTERM)  # a launcher passes it on, so that it comes twice
    assert end(child) == [143] and step_of(parts) == 2
    assert 'stopped by SIGTERM at step 2; continue with --resume\n' in capfd.readouterr().out
    assert [path.name for path in (parts / 'work').glob('iter_*')] == ['iter_2.pth']

    forget_meeting(parts)
    child = train_apart(parts, ('before_val_iter', 3), **workers)
    send(parts, child, signal.SIGUSR1)
    assert end(child) == [138] and step_of(parts) == 3
    assert 'stopped by SIGUSR1 at step 3; continue with --resume\n' in capfd.readouterr().out
    assert not any('val/score' in row for row in read_history(parts / 'work' / 'history.jsonl'))

    assert end(train_apart(parts, **workers)) == [0]
    assert_equal_ends(whole, parts)


def test_one_of_two_processes_is_signalled(tmp_path, capfd):
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    whole.mkdir()
    write_images(whole)
    shutil.copytree(whole, parts)

    def two(folder: Path, meet=None) -> list[multiprocessing.Process]:
        with socket.create_server(('localhost', 0)) as free:
            port = free.getsockname()[1]
        where = dict(WORLD_SIZE='2', MASTER_ADDR='localhost', MASTER_PORT=str(port))
        return [
            train_apart(folder, meet if rank else None, where | dict(RANK=str(rank), LOCAL_RANK=str(rank)), **TWO)
            for rank in (0, 1)
        ]

    assert end(*two(whole)) == [0, 0]
    processes = two(parts, ('before_train_iter', 1))
    send(parts, processes[1], signal.SIGTERM)
    assert end(*processes) == [143, 143] and step_of(parts) == 2
    assert capfd.readouterr().out.count('stopped by SIGTERM at step 2') == 1
    forget_meeting(parts)
    processes = two(parts, ('before_val_iter', 3))
    send(parts, processes[1], signal.SIGTERM)
    assert end(*processes) == [143, 143] and step_of(parts) == 3
    assert 'val/score' in read_history(parts / 'work' / 'history.jsonl')[-1]  # the other one waited for its part
    assert end(*two(parts)) == [0, 0]
    assert_equal_ends(whole, parts)


def test_a_later_second_signal_ends_the_process_at_once():
    def signalled(seconds: float) -> None:
        now = iter((0.0, seconds))
        with StopRequest(clock=lambda: next(now)):
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(7)

    codes = []
    for seconds in (1.0, 3.0):
        child = FORK.Process(target=signalled, args=(seconds,))
        child.start()
        codes += end(child)
    assert codes == [7, -signal.SIGTERM]


def test_without_checkpoints_the_line_says_so(tmp_path, capfd):
    write_images(tmp_path)
    child = train_apart(tmp_path, ('before_train_iter', 1), default_hooks={'checkpoint': None})
    send(tmp_path, child, signal.SIGTERM)
    assert end(child) == [143]
    assert 'at step 2; there is no checkpoint of it: default_hooks.checkpoint is off' in capfd.readouterr().out


def test_no_handler_stays_and_none_is_taken_from_others(tmp_path):
    write_images(tmp_path)
    build(tmp_path, train_cfg__max_iters=1).train()
    runner = build(tmp_path, train_cfg__max_iters=2, work_dir=str(tmp_path / 'thread'))
    thread = threading.Thread(target=runner.train)
    thread.start()
    thread.join()
    assert runner.iter == 2
    assert [signal.getsignal(number) for number in SIGNALS] == [signal.SIG_DFL] * 2
    received = []
    signal.signal(signal.SIGUSR1, lambda *args: received.append('ours'))
    try:
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGUSR1)
            stop.check()
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    assert received == ['ours', 'ours']


def test_a_loader_process_ends_on_the_signal_of_its_parent_only():
    def load() -> None:
        leave_signals_to_main_process()
        ready.set()
        time.sleep(100)

    ready = FORK.Event()
    child = FORK.Process(target=load)
    child.start()
    ready.wait(10)
    subprocess.run(['bash', '-c', f'kill -TERM {child.pid}; kill -INT {child.pid}; kill -USR1 {child.pid}'], check=True)
    time.sleep(0.2)
    assert child.is_alive()
    child.terminate()
    assert end(child) == [0]
