"""The command line of tools/setup.py."""

from collections.abc import Sequence
from pathlib import Path

from .environment import set_up
from .stamp import OPS, Stamp
from .supported import SetUpError


def command(root: str, words: Sequence[str]) -> None:
    """Set up the project in the folder ``root``, unless that is done already.

    Args:
        words: nothing, which keeps the operators that the environment has, or ``--ops torch|compiled``.

    Raises:
        SetUpError: other words, the machine lacks something, or a step failed.
    """
    stamp = Stamp(Path(root))
    if words and (len(words) != 2 or words[0] != '--ops'):
        raise SetUpError(f'{" ".join(words)}: tools/setup.py takes nothing or --ops {"|".join(OPS)}')
    ops = words[1] if words else stamp.ops
    if ops not in OPS:
        raise SetUpError(f'OPS={ops}: not one of {", ".join(OPS)}; leave it out to keep what is installed')
    if not stamp.is_current(ops):
        set_up(Path(root), stamp, ops)
