"""Statements of a file of ``configs/_base_`` as text, comments included, to stand in a config that needs no base."""

import ast

from detplug.config_files import configs_folder


def base_text(name: str, *variables: str) -> str:
    """The statements of ``_base_/NAME`` that assign ``variables``, in the order of the file; all of them for none.

    Raises:
        KeyError: the file assigns none of this name.
    """
    text = (configs_folder() / '_base_' / name).read_text(encoding='utf-8')
    lines, parts = text.splitlines(), {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            parts[statement.targets[0].id] = '\n'.join(lines[statement.lineno - 1 : statement.end_lineno])
    missing = [variable for variable in variables if variable not in parts]
    if missing:
        raise KeyError(f'_base_/{name}: assigns no {missing[0]}')
    return '\n'.join(part for variable, part in parts.items() if not variables or variable in variables)
