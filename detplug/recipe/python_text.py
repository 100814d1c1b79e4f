"""Values as Python text for a config file: readable, and nothing in them is substituted by mmengine."""

from collections.abc import Mapping
from typing import Any

WIDTH = 110  # columns


class Code(str):
    """Text that stands in the config as it is: the name of a variable, an expression."""


def python_text(value: Any, indent: int = 0) -> str:
    """``value`` as an expression: dicts as ``dict(...)``, on one line where it fits.

    Args:
        indent: columns before the lines that follow the first.

    Raises:
        TypeError: a value that a config cannot say.
    """
    line = _one_line(value)
    if len(line) + indent <= WIDTH or not isinstance(value, Mapping | list | tuple) or not value:
        return line
    inner = indent + 4
    if isinstance(value, Mapping):
        named = all(isinstance(key, str) and key.isidentifier() for key in value)
        items = [
            (f'{key}=' if named else f'{_one_line(key)}: ') + python_text(item, inner) for key, item in value.items()
        ]
        opening, closing = ('dict(', ')') if named else ('{', '}')
    else:
        items = [python_text(item, inner) for item in value]
        opening, closing = ('[', ']') if isinstance(value, list) else ('(', ')')
    space = '\n' + ' ' * inner
    return f'{opening}{space}{f",{space}".join(items)},\n{" " * indent}{closing}'


def _one_line(value: Any) -> str:
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and key.isidentifier() for key in value):
            return f'dict({", ".join(f"{key}={_one_line(item)}" for key, item in value.items())})'
        return '{' + ', '.join(f'{_one_line(key)}: {_one_line(item)}' for key, item in value.items()) + '}'
    if isinstance(value, list):
        return f'[{", ".join(map(_one_line, value))}]'
    if isinstance(value, tuple):
        return f'({", ".join(map(_one_line, value))}{"," if len(value) == 1 else ""})'
    if isinstance(value, str):
        return repr(value).replace('{{', '{\\x7b')  # mmengine exchanges {{ name }} wherever it stands
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    raise TypeError(f'{type(value).__name__}: no value of a config')
