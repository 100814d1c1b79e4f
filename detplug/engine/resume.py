"""Which checkpoint a stopped training continues from."""

from pathlib import Path
from typing import Any

from detplug.engine.checkpoint import load_file
from detplug.engine.checkpoint_hook import LAST, numbered_checkpoints
from detplug.errors import UserError


def check_resumable(checkpoint: dict[str, Any], source: str | Path) -> None:
    """Refuse a checkpoint that is not the state of a training of this engine.

    Raises:
        UserError: with the part that is missing or malformed.
    """
    meta = checkpoint.get('meta')
    steps = [meta.get('iter'), meta.get('epoch')] if isinstance(meta, dict) else [None]
    wrong = [name for name, kind in (('optimizer', dict), ('rng', list)) if not isinstance(checkpoint.get(name), kind)]
    if not all(isinstance(x, int) and x >= 0 for x in steps):
        wrong.append('meta.iter')
    if wrong:
        raise UserError(
            f'{source}: {", ".join(wrong)}: missing, so training cannot be resumed from it; '
            'to start from its weights use load_from'
        )


def newest_checkpoint(folder: str | Path) -> str | None:
    """Path of the newest checkpoint in ``folder`` that loads and can be resumed; newer ones are named and skipped."""
    folder = Path(folder)
    candidates = [path for _, path in numbered_checkpoints(folder)]
    last = folder / LAST
    if last.is_file() and not any(last.samefile(path) for path in candidates):
        candidates.append(last)
    for path in candidates:
        try:
            check_resumable(load_file(path), path)
            return str(path)
        except UserError as error:
            print(f'skipped: {error}', flush=True)
    return None
