"""The audit log of a review: a line of json for each decision, in the file before anybody is told that it is made.

The first line says which run is reviewed. Each line carries ``previous``, the sha256 of the line above, so that a line
which is changed, removed or put in later shows. A process that is killed while it writes leaves a last line without its
end; nobody was told of that decision, and the next start cuts it off.
"""

import fcntl
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from detplug.errors import UserError

LOG, LOCK = 'audit.jsonl', '.lock'


class AuditLog:
    """The log in ``folder``, held by one process.

    Args:
        folder: is made where it is not there.
        run: what the first line says; a log of another run is refused.

    Attributes:
        records: of all lines but the first.
        repaired: bytes of a last line without its end that were cut off.

    Raises:
        UserError: another process holds it, it is of another run, or a line is not what was written.
    """

    def __init__(self, folder: Path, run: dict[str, Any]) -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder / LOG
        self._lock = open(folder / LOCK, 'a')
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise UserError(f'{folder}: is being reviewed by another process; use its page, or stop it') from None
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            lines = self._whole_lines()
            self.records = self._checked(lines, run)
        except UserError:
            self.close()
            raise
        if not lines:
            self._write(run | dict(previous=''))
            _sync_folder(folder)

    def append(self, record: dict[str, Any]) -> None:
        """Write one record and wait until the disk has it.

        Raises:
            OSError: it cannot be written; the log is as it was.
        """
        self._write(record | dict(previous=self._last))
        self.records.append(record)

    def close(self) -> None:
        """Leave the log to other processes."""
        os.close(self._file)
        self._lock.close()

    def _write(self, record: dict[str, Any]) -> None:
        line = json.dumps(record).encode() + b'\n'
        try:
            written = os.write(self._file, line)
            if written < len(line):
                raise OSError(28, 'No space left on device', str(self.path))
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(line)
        self._last = hashlib.sha256(line).hexdigest()

    def _whole_lines(self) -> list[bytes]:
        """All lines with their ends; what is behind the last end is cut off."""
        content = self.path.read_bytes()
        self._size = content.rfind(b'\n') + 1
        self.repaired = len(content) - self._size
        if self.repaired:
            os.ftruncate(self._file, self._size)
            os.fsync(self._file)
        self._last = ''
        return content[: self._size].splitlines(keepends=True)

    def _checked(self, lines: list[bytes], run: dict[str, Any]) -> list[dict[str, Any]]:
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                whole = record.pop('previous') == self._last
            except (ValueError, KeyError, AttributeError, TypeError):
                whole = False
            if not whole:
                raise UserError(f'{self.path}: line {number}: not as it was written, or the line above is not; '
                                'restore the file from a copy')  # fmt: skip
            self._last = hashlib.sha256(line).hexdigest()
            records.append(record)
        if records and records[0] != run:
            raise UserError(f'{self.path}: is the review of another run; move {self.path.parent} away to begin anew')
        return records[1:]


def _sync_folder(folder: Path) -> None:
    """The name of a new file is on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
