"""What was read of a large annotation file, kept for the other ranks of a training and for later runs.

The ranks of a training open the same file at the same moment: the first one takes the lock and reads it, the others
wait and take the records from the cache, which is several times faster and needs no memory for the file itself. A file
of the cache holds records in msgpack (data only, nothing in it is executed) and belongs to one content of one
annotation file; another content is another file of the cache.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b, file_digest
from pathlib import Path

import msgspec

from detplug.data.cache_file import UNUSED_DAYS, say_once
from detplug.data.image_cache import cache_folder
from detplug.data.records import ImageRecord

RULE = 1  # raised whenever the reader gives other records than before
SMALLEST = 20_000_000  # bytes; a smaller file is read in a second
LOCK_SECONDS = 600  # waited for the rank that reads; afterwards the file is read without the cache
ENDING = '.annotations'

Records = tuple[list[str], list[ImageRecord], list[str]]


def cached_records(path: str | Path, variant: str, read: Callable[[], Records]) -> Records:
    """``read()``, or what it gave the last time for the same content of ``path``.

    Whatever fails in the cache, the file is read without it, and one line says so.

    Args:
        variant: tells the readers of one file apart.

    Raises:
        UserError: from ``read``; nothing is kept then.
    """
    try:
        if os.stat(path).st_size < SMALLEST:
            return read()
        entry = cache_folder() / f'{_key(path, variant)}{ENDING}'
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        if Path(path).is_file():
            say_once(f'{path}: read without a cache of annotations ({error})')
        return read()
    try:
        with _locked(entry.with_suffix('.reading')):
            records = _load(entry)
            if records is None:
                records = read()
                _save(entry, records)
            return records
    except OSError as error:
        say_once(f'{path}: read without the cache of annotations ({entry}: {error})')
        return read()


def _key(path: str | Path, variant: str) -> str:
    """Of the content, and of the path, which anomalies name."""
    with open(path, 'rb') as file:
        content = file_digest(file, 'sha256').hexdigest()
    return blake2b(os.fsencode(f'{RULE} {variant} {content} {path}'), digest_size=16).hexdigest()


def _load(entry: Path) -> Records | None:
    try:
        records = msgspec.msgpack.decode(entry.read_bytes(), type=Records)
        os.utime(entry)
    except (FileNotFoundError, msgspec.MsgspecError):  # not there, or cut off: it is made anew
        return None
    return records


def _save(entry: Path, records: Records) -> None:
    """Only the user may read the file. Entries that nobody has used for ``UNUSED_DAYS`` go."""
    for old in entry.parent.glob(f'*{ENDING}'):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > UNUSED_DAYS * 86400:
                old.unlink()
    try:
        content = msgspec.msgpack.encode(records)
    except (OverflowError, ValueError):  # an id beyond 64 bits
        return
    new = entry.with_suffix('.new')
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'wb') as file:
            file.write(content)
        os.replace(new, entry)
    except OSError as error:
        new.unlink(missing_ok=True)
        say_once(f'{entry}: what was read of the annotations is not kept ({error})')


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; the lock ends with the process, however that ends.

    Raises:
        OSError: the lock file cannot be opened, or another process has held it for ``LOCK_SECONDS`` (TimeoutError).
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + LOCK_SECONDS
        while not _taken(file):
            if time.monotonic() >= until:
                raise TimeoutError(f'another process has held {path} for {LOCK_SECONDS} s')
            time.sleep(0.1)
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
