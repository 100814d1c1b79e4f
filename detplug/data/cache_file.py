"""The file below :class:`ImageCache`: made whole or not at all, replaced when it does not fit, deleted when unused."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from mmengine.dist import get_rank
from mmengine.logging import print_log
from torch.utils.data import get_worker_info

UNUSED_DAYS = 30  # a cache file that was not opened for so long is deleted
LOCK_SECONDS = 10  # waited for the lock, which is held for milliseconds unless its holder is stopped
ENDING = '.images'


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time; the lock ends with the process, however that ends.

    Raises:
        OSError: the lock file cannot be opened or locked.
        TimeoutError: another process has held the lock for ``LOCK_SECONDS``.
    """
    file = os.open(folder / 'lock', os.O_RDWR | os.O_CREAT, 0o600)  # opened anew: a forked process shares what is open
    try:
        _lock(file)
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)  # closing alone leaves it locked while a process forked meanwhile lives
        os.close(file)


def _lock(file: int) -> None:
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise TimeoutError(f'another process has held its lock for {LOCK_SECONDS} s') from None
            time.sleep(0.001)


def open_cache_file(path: Path, header: bytes, size: int) -> int:
    """Descriptor (read and write) of the file at ``path``, which has this header and size in bytes.

    A file that has not (of another version or limit, cut off) is replaced by an empty one; processes that have it open
    keep it until they close it. Only the user may read it: the pixels may be those of patients.

    Raises:
        OSError: no permission, no space, a folder that cannot be made, a lock that is not given up.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(path.parent):
        delete_unused(path.parent, keep=path)
        if not _fits(path, header, size):
            _make(path, header, size)
        os.utime(path)
        return os.open(path, os.O_RDWR)


def delete_unused(folder: Path, keep: Path) -> None:
    """Delete the cache files of ``folder`` that no process has opened for ``UNUSED_DAYS``."""
    for path in folder.glob(f'*{ENDING}'):
        with suppress(OSError):  # another user's, or gone already
            if path != keep and time.time() - path.stat().st_mtime > UNUSED_DAYS * 86400:
                path.unlink()


def _fits(path: Path, header: bytes, size: int) -> bool:
    try:
        with open(path, 'rb') as file:
            return file.read(len(header)) == header and os.fstat(file.fileno()).st_size == size
    except FileNotFoundError:
        return False


def _make(path: Path, header: bytes, size: int) -> None:
    new = path.with_suffix('.new')
    file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.ftruncate(file, size)
        if os.pwrite(file, header, 0) < len(header):
            raise OSError('the disk is full')
        os.replace(new, path)
    except OSError:
        new.unlink()
        raise
    finally:
        os.close(file)


@cache
def say_once(line: str) -> None:
    """A warning, from the first loader process of the first rank only."""
    worker = get_worker_info()
    if get_rank() == 0 and (worker is None or worker.id == 0):
        print_log(line, logger='current', level=logging.WARNING)
