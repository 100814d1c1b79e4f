"""A file that is whole or absent, without the training engine that :mod:`detplug.engine.atomic_file` loads."""

import os
from pathlib import Path

from detplug.errors import UserError
from detplug.runtime.tables import part_of


def write_whole(path: str | Path, content: bytes) -> None:
    """Create or replace ``path``; its folder is made where there is none.

    Raises:
        UserError: it cannot be written.
    """
    path = Path(path)
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise UserError(f'{path}: cannot write ({error.strerror or error}); choose another path') from None
    finally:
        part.unlink(missing_ok=True)
