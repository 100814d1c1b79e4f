"""Registry of weight converters: plugins fill it, ``tools/convert_weights.py NAME SRC DST`` calls them."""

from collections.abc import Callable
from pathlib import Path

from detplug.errors import UserError
from detplug.named_parts import NamedParts

CONVERTERS: NamedParts[Callable[[Path, Path], None]] = NamedParts('', 'converter')


def register(name: str) -> Callable:
    """Decorator: make ``function(src, dst)`` the converter ``name``.

    Raises:
        KeyError: the name is taken by another function.
    """
    return CONVERTERS.adder(name)


def convert(name: str, source: str | Path, target: str | Path) -> None:
    """Convert the weights at ``source`` into a checkpoint at ``target``.

    Raises:
        UserError: no converter of this name, or no such file.
    """
    converter = CONVERTERS.find(name)
    if not Path(source).is_file():
        raise UserError(f'{source}: weights not found; check the path')
    converter(Path(source), Path(target))
