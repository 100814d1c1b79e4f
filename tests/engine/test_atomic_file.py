"""Law: at every moment a file is the old one or the whole new one."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from detplug.engine.atomic_file import link_atomic, remove_temporaries, write_atomic
from detplug.engine.checkpoint import load_file, save_atomic
from detplug.errors import UserError


def test_order_of_steps(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace

    def logged_fsync(descriptor):
        steps.append('sync folder' if os.path.isdir(f'/proc/self/fd/{descriptor}') else 'sync file')
        fsync(descriptor)

    def logged_replace(source, target):
        assert Path(source).parent == Path(target).parent
        steps.append('rename')
        replace(source, target)

    monkeypatch.setattr(os, 'fsync', logged_fsync)
    monkeypatch.setattr(os, 'replace', logged_replace)
    write_atomic(tmp_path / 'a', lambda file: file.write(b'new'), check=lambda path: steps.append('check'))
    assert steps == ['sync file', 'check', 'rename', 'sync folder']


@pytest.mark.parametrize('fails_in', ['write', 'check'])
def test_failure_leaves_the_old_file_and_no_other(fails_in, tmp_path):
    path = tmp_path / 'a'
    path.write_bytes(b'old')

    def fail(*_):
        raise OSError('disk full')

    def write(file):
        file.write(b'half')
        if fails_in == 'write':
            fail()

    with pytest.raises(OSError):
        write_atomic(path, write, fail)
    assert path.read_bytes() == b'old' and list(tmp_path.iterdir()) == [path]


def save_for_ever(path: Path) -> None:
    torch.set_num_threads(1)  # a forked process has no OpenMP threads
    for number in range(10**6):
        save_atomic(dict(state_dict=dict(x=torch.full((300_000,), number))), path)


def test_killed_while_writing(tmp_path):
    path = tmp_path / 'w.pth'
    for delay in (0.05, 0.08, 0.13):
        child = multiprocessing.get_context('fork').Process(target=save_for_ever, args=(path,))
        child.start()
        while not path.exists():
            time.sleep(0.001)
        time.sleep(delay)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        weights = load_file(path)['state_dict']['x']
        assert (weights == weights[0]).all()
    remove_temporaries(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('links', [True, False])
def test_second_name(links, tmp_path, monkeypatch):
    one, two, last = tmp_path / 'iter_1.pth', tmp_path / 'iter_2.pth', tmp_path / 'last.pth'
    one.write_bytes(b'1')
    two.write_bytes(b'2')
    if not links:

        def refuse(*_):
            raise OSError('no hard links here')

        monkeypatch.setattr(os, 'link', refuse)
    for source in (one, one, two):
        link_atomic(source, last)
        assert last.read_bytes() == source.read_bytes()
    one.unlink()
    two.unlink()
    assert last.read_bytes() == b'2' and list(tmp_path.iterdir()) == [last]


def test_what_could_not_be_read_back_is_refused_at_once(tmp_path):
    with pytest.raises(UserError, match=r"checkpoint\['meta'\]\['when'\]: a PosixPath"):
        save_atomic(dict(meta=dict(when=Path.cwd())), tmp_path / 'w.pth')
    assert not list(tmp_path.iterdir())


def test_the_folder_is_made(tmp_path):
    write_atomic(tmp_path / 'new' / 'folder' / 'a', lambda file: file.write(b'1'))
    assert (tmp_path / 'new' / 'folder' / 'a').read_bytes() == b'1'
