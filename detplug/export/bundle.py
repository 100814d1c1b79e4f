"""The folder of a bundle: written under a temporary name beside its place, renamed when all in it is right."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detplug.errors import UserError
from detplug.runtime.bundle import MANIFEST


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """A temporary folder in the parent of ``out`` that becomes ``out`` when the block ends without an exception.

    An earlier bundle at ``out`` is replaced; after an exception it is as it was.

    Raises:
        UserError: ``out`` is a file or a folder that holds something else than a bundle.
    """
    check_replaceable(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{out.name}.', dir=out.parent) as temporary:
        folder = Path(temporary) / 'new'
        folder.mkdir()
        yield folder
        if out.exists():
            out.rename(Path(temporary) / 'old')
        folder.rename(out)


def check_replaceable(out: Path) -> None:
    """Refuse to replace anything but an empty folder or an earlier bundle.

    Raises:
        UserError: ``out`` is something else.
    """
    if not out.exists() or out.is_dir() and ((out / MANIFEST).is_file() or not any(out.iterdir())):
        return
    raise UserError(f'{out}: --out: exists and is not an exported bundle; give another folder')


def write_manifest(folder: Path, manifest: dict) -> None:
    """Write ``manifest.json``, readable and with a final newline, synced to the disk."""
    with open(folder / MANIFEST, 'w') as file:
        file.write(json.dumps(manifest, indent=2, allow_nan=False) + '\n')
        file.flush()
        os.fsync(file.fileno())
