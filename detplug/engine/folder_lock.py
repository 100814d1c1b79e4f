"""One training a work folder: a second one at the same time would overwrite its checkpoints, history and report."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.dist import is_main_process

from detplug.errors import UserError

FILE = '.lock'


@contextmanager
def only_training(work_dir: Path) -> Iterator[None]:
    """Hold ``work_dir`` while the block runs; of several processes of one training the first one holds it.

    The lock belongs to the process and ends with it, however it ends; the file may stay.

    Raises:
        UserError: another process holds it.
    """
    if not is_main_process():
        yield
        return
    work_dir.mkdir(parents=True, exist_ok=True)
    with (work_dir / FILE).open('w') as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise UserError(
                f'{work_dir}: another training is writing there; wait until it ends or give another --work-dir'
            ) from None
        yield
