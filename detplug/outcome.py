"""What a command says to a program: ``detplug --json COMMAND ...`` prints one JSON object, other text on stderr."""

import contextlib
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_said: dict[str, Any] = {}


def note_outcome(**values: Any) -> None:
    """Add entries to the object of the running command; without ``--json`` nothing is printed of them.

    Values are texts, numbers, paths, None, and dicts and lists of these.
    """
    _said.update(values)


def as_json(command: Callable[[], int]) -> int:
    """Run ``command`` and print its object: ``status``, the exit status, ``error``, the line of a wrong input, ..."""
    _said.clear()
    with contextlib.redirect_stdout(sys.stderr):
        status = command()
    print(json.dumps({'status': status} | plain(_said)))
    return status


def plain(value: Any) -> Any:
    """What JSON can say: numbers that are not finite are null, paths are texts."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return plain(value.item()) if hasattr(value, 'item') else str(value)
