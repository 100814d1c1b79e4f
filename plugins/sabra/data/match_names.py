"""Names of a config against the names of a file: the same names, in any order; a label follows the config."""

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from detplug.data.records import one_line
from detplug.errors import UserError


def match_names(declared: Sequence[str], listed: Sequence[str], field: str, source: Any) -> np.ndarray:
    """Label in the config of each label of the file.

    Args:
        declared: names of the file, by its labels.
        listed: names of the config, in label order.
        field: ``classes`` or ``predicates``, for the message.
        source: the file, for the message.

    Returns:
        (len(found),) int64.

    Raises:
        UserError: not a sequence of names, a name listed twice, or a name that only one side has; the message shows
            both sides.
    """
    if isinstance(listed, str) or not isinstance(listed, Sequence) or not all(isinstance(x, str) for x in listed):
        raise UserError(f"{source}: {field}: {one_line(listed)} is not a tuple of names; write ('a', 'b')")
    sides = f'the file has {_show(declared)}; the config has {_show(listed)}'
    twice = [name for name, times in Counter(listed).items() if times > 1]
    missing = [name for name in listed if name not in set(declared)]
    surplus = [name for name in declared if name not in set(listed)]
    for names, what, others in (
        (twice, 'listed twice in the config', ()),
        (missing, 'not in the file', declared),
        (surplus, 'not in the config', listed),
    ):
        if names:
            raise UserError(f'{source}: {field}: {what}: {_hints(names, others)}; {sides}; correct one of them')
    return np.array([list(listed).index(name) for name in declared], np.int64)


def _hints(names: Sequence[str], others: Sequence[str]) -> str:
    """Names, each with the similar one of the other side."""
    lowered = {other.lower(): other for other in others}
    matches = {name: get_close_matches(name.lower(), lowered, n=1) for name in names[:10]}
    shown = [
        f'{one_line(name)!r}' + (f' (did you mean {one_line(lowered[match[0]])!r}?)' if match else '')
        for name, match in matches.items()
    ]
    return ', '.join(shown) + (f' and {len(names) - 10} more' if len(names) > 10 else '')


def _show(names: Sequence[str]) -> str:
    more = f', ... {len(names)} in all' if len(names) > 20 else ''
    return f'[{", ".join(one_line(name) for name in names[:20])}{more}]'
