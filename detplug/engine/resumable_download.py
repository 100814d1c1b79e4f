"""A file from the web that is whole or not there; what a broken connection left is continued by the next call."""

import hashlib
import os
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

CHUNK = 1 << 20  # bytes
PARTIAL, NOTHING_LEFT = 206, 416  # HTTP
TIMEOUT = 60.0  # seconds without a byte


def fetch(url: str, target: Path, sha256: str | None = None) -> None:
    """Write ``url`` to ``target``; until all is there, it is in ``target`` + ``.part``.

    Args:
        sha256: hexadecimal digits that the SHA-256 of the file begins with; None: not known.

    Raises:
        OSError: no connection, no such file, a connection that broke (the part stays), no space.
        ValueError: the file is not the one of ``sha256`` (the part is deleted).
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + '.part')
    done = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={'User-Agent': 'detplug'} | ({'Range': f'bytes={done}-'} if done else {}))
    try:
        with urlopen(request, timeout=TIMEOUT) as answer:
            goes_on = answer.status == PARTIAL and answer.headers.get('Content-Range', '').startswith(f'bytes {done}-')
            wanted = int(answer.headers.get('Content-Length') or 0)
            received = 0
            with part.open('ab' if goes_on else 'wb') as file:
                while block := answer.read(CHUNK):
                    file.write(block)
                    received += len(block)
        if received < wanted:
            raise OSError(f'the connection broke after {received} of {wanted} bytes; the same command continues')
    except HTTPError as error:
        if error.code != NOTHING_LEFT:
            raise
    if sha256:
        check(part, sha256)
    os.replace(part, target)


def check(part: Path, sha256: str) -> None:
    """Delete a complete file that is another one, and say so.

    Raises:
        ValueError: its SHA-256 does not begin with ``sha256``.
    """
    with part.open('rb') as file:
        found = hashlib.file_digest(file, 'sha256').hexdigest()
    if not found.startswith(sha256):
        part.unlink()
        raise ValueError(f'SHA-256 of the file begins with {found[: len(sha256)]}, not with {sha256} as its name says')
