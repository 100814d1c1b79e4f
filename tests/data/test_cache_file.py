"""The folder of the cache: who may use it, who speaks about it, what is deleted from it."""

import os

import numpy as np
import pytest
from shared_images import FORK, exit_code, loader, pixels, uncached

from detplug.data import cache_file


@pytest.mark.parametrize('denied', [False, True])
def test_a_folder_that_cannot_be_used_is_said_once(tmp_path, paths, monkeypatch, lines, denied):
    if denied:
        monkeypatch.setattr(cache_file.os, 'open', lambda *_: (_ for _ in ()).throw(PermissionError(13, 'denied')))
    else:
        (tmp_path / 'cache').write_text('a file, where the folder should be')
    transform = loader(tmp_path)
    for _ in range(2):
        np.testing.assert_array_equal(pixels(transform, paths), uncached(paths))
    assert len(lines) == 1 and 'not opened' in lines[0] and 'decoded each time' in lines[0]


def test_only_the_first_process_of_the_first_rank_speaks(monkeypatch, lines):
    for rank, worker in ((0, 1), (1, None), (1, 0), (0, 0), (0, 0)):
        cache_file.say_once.cache_clear()
        monkeypatch.setattr(cache_file, 'get_rank', lambda rank=rank: rank)
        info = None if worker is None else type('Worker', (), dict(id=worker))
        monkeypatch.setattr(cache_file, 'get_worker_info', lambda info=info: info)
        cache_file.say_once(f'{rank} {worker}')
        cache_file.say_once(f'{rank} {worker}')
    assert lines == ['0 0', '0 0']


def test_files_that_nobody_uses_are_deleted(tmp_path, paths):
    folder = tmp_path / 'cache'
    folder.mkdir()
    for name, days in (('8x8.images', 31), ('9x9.images', 29), ('24x24.images', 31), ('mine.txt', 99)):
        (folder / name).write_text('')
        since = (folder / name).stat().st_mtime - days * 86400
        os.utime(folder / name, (since, since))
    pixels(loader(tmp_path), paths)
    assert {path.name for path in folder.iterdir()} == {'9x9.images', '24x24.images', 'mine.txt', 'lock'}
    assert (folder / '24x24.images').stat().st_mtime > since + 86400  # in use again


def test_only_the_user_may_read_the_pixels(tmp_path, paths):
    transform = loader(tmp_path)
    pixels(transform, paths)
    assert transform.cache.path.stat().st_mode & 0o077 == 0
    assert transform.cache.path.parent.stat().st_mode & 0o077 == 0


def test_the_lock_holds_between_forked_processes(tmp_path):
    def take():
        with cache_file.locked(tmp_path):
            pass

    with cache_file.locked(tmp_path):
        process = FORK.Process(target=take)
        process.start()
        process.join(0.2)
        assert process.exitcode is None
    assert exit_code(process) == 0  # it was forked inside the lock: its copy of the file may not hold it


@pytest.mark.parametrize('opened', [False, True])
def test_a_lock_that_is_not_given_up_stops_no_training(tmp_path, paths, monkeypatch, lines, opened):
    monkeypatch.setattr(cache_file, 'LOCK_SECONDS', 0.05)
    transform = loader(tmp_path)
    pixels(transform, paths[:opened])
    (tmp_path / 'cache').mkdir(exist_ok=True)
    with cache_file.locked(tmp_path / 'cache'):
        np.testing.assert_array_equal(pixels(transform, paths), uncached(paths))
    assert transform.cache.reads == 2 * opened  # what is in it is read on
    assert len(lines) == 1 and 'another process has held its lock' in lines[0] and 'decoded each time' in lines[0]


@pytest.mark.parametrize('call', ['ftruncate', 'pwrite', 'replace'])
def test_a_file_that_cannot_be_made_leaves_nothing(tmp_path, paths, monkeypatch, lines, call):
    def no_space(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(cache_file.os, call, no_space)
    np.testing.assert_array_equal(pixels(loader(tmp_path), paths), uncached(paths))
    assert [path.name for path in (tmp_path / 'cache').iterdir()] == ['lock']
    assert len(lines) == 1 and 'No space left' in lines[0]
