"""The pictures a user names on the command line: files, folders and globs."""

import glob
from collections.abc import Sequence
from pathlib import Path

from detplug.errors import UserError

SUFFIXES = {'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp'}


def find_images(paths: Sequence[str]) -> list[Path]:
    """Image files named by ``paths`` in the order given, each once; folders are read one level deep, sorted.

    Raises:
        UserError: a path that does not exist, a glob or folder without an image.
    """
    found: dict[Path, None] = {}
    for name in paths:
        path = Path(name)
        if path.is_dir():
            files = sorted(x for x in path.iterdir() if x.suffix.lower() in SUFFIXES)
            if not files:
                raise UserError(f'{name}: no image in this folder; wanted one of {", ".join(sorted(SUFFIXES))}')
        elif path.is_file():
            files = [path]
        else:
            files = sorted(Path(x) for x in glob.glob(name, recursive=True) if Path(x).suffix.lower() in SUFFIXES)
            if not files:
                raise UserError(f'{name}: no such image, folder or glob; check the path')
        found.update(dict.fromkeys(files))
    return list(found)
