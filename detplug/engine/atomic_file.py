"""Files that are either whole or absent: temporary name in the same folder, fsync, rename, fsync of the folder."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

TEMPORARY = '.tmp-'


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _temporary(path: Path) -> Path:
    return path.with_name(f'.{path.name}{TEMPORARY}{os.getpid()}')


def write_atomic(
    path: str | Path, write: Callable[[BinaryIO], None], check: Callable[[Path], None] | None = None
) -> None:
    """Create or replace ``path`` with what ``write(file)`` writes; readers see the old file or the whole new one.

    Args:
        path: the file; its folder is made when there is none.
        write: gets a binary file to write to.
        check: called with the complete temporary file before it takes the name; raises to refuse it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        with open(temporary, 'wb') as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check(temporary)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)  # a full disk does not say which file it is about
        raise
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def link_atomic(source: str | Path, path: str | Path) -> None:
    """Make ``path`` a second name of ``source`` (a copy where the file system has no hard links), atomically."""
    source, path = Path(source), Path(path)
    temporary = _temporary(path)
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        with open(source, 'rb') as old:
            write_atomic(path, lambda file: shutil.copyfileobj(old, file))
        return
    try:
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # rename keeps both names when they are one file already
    _sync_folder(path.parent)


def remove_temporaries(folder: str | Path) -> None:
    """Delete what a killed process left of files that it was writing into ``folder``."""
    for path in Path(folder).glob(f'.*{TEMPORARY}*'):
        path.unlink(missing_ok=True)
