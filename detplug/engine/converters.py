"""Registry of weight converters: plugins fill it, ``tools/convert_weights.py NAME SRC DST`` calls them."""

from collections.abc import Callable
from pathlib import Path

from detplug.errors import UserError

CONVERTERS: dict[str, Callable[[Path, Path], None]] = {}


def register(name: str) -> Callable:
    """Decorator: make ``function(src, dst)`` the converter ``name``.

    Raises:
        KeyError: the name is taken by another function.
    """

    def add(function: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
        known = CONVERTERS.setdefault(name, function)
        if (known.__module__, known.__qualname__) != (function.__module__, function.__qualname__):
            raise KeyError(f'converter {name!r} is registered by {known.__module__}')
        return function

    return add


def convert(name: str, source: str | Path, target: str | Path) -> None:
    """Convert the weights at ``source`` into a checkpoint at ``target``.

    Raises:
        UserError: no converter of this name, or no such file.
    """
    if name not in CONVERTERS:
        raise UserError(f'{name}: no such converter; one of {", ".join(sorted(CONVERTERS)) or "none is registered"}')
    if not Path(source).is_file():
        raise UserError(f'{source}: weights not found; check the path')
    CONVERTERS[name](Path(source), Path(target))
