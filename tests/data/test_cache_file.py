"""The folder of the cache: who may use it, who speaks about it, what is deleted from it."""

import multiprocessing
import os

import numpy as np
import pytest
from shared_images import loader, pixels, uncached

from detplug.data import cache_file

FORK = multiprocessing.get_context('fork')


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
    process.join(20)  # it was forked inside the lock: its copy of the file may not hold it
    process.kill()
    assert process.exitcode == 0
