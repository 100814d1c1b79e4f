"""Read a config with other values for some of its variables: wherever a file assigns one, and so for all that follows.

mmengine reads a file as text -> syntax tree -> code; statements are added to the tree. Configs in YAML or JSON, and
those with ``read_base()``, have no such step: their variables stay.
"""

import ast
import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.config import config as mmengine_config

from detplug.errors import UserError

_values: dict[str, Any] = {}  # dotted path -> value, while a config is read


def read_config(path: Path, values: Mapping[str, Any]) -> Config:
    """The config at ``path``, in whose files the variables have ``values`` wherever they are assigned.

    Raises:
        UserError: it does not load with them.
    """
    try:
        with _while_reading(values):
            return Config.fromfile(path)
    except UserError:
        raise
    except Exception as error:  # a config is a program: it raises anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        names = ', '.join(f'{key}={value}' for key, value in values.items())
        raise UserError(f'--cfg-options {names}: {path} does not load with it: {reason}') from error


def changed(name: str, value: Any) -> Any:
    """``value`` of the variable ``name`` with the options for it; called by the files of a config."""
    for path, new in _values.items():
        first, _, rest = path.partition('.')
        if first == name:
            value = _replaced(value, rest.split('.') if rest else [], new)
    return value


def _replaced(node: Any, keys: list[str], new: Any) -> Any:
    """A copy of ``node`` with ``new`` at ``keys``; ``node`` itself where it does not reach that far."""
    if not keys:
        return new
    key, *rest = keys
    if isinstance(node, dict) and (key in node or not rest):
        node = copy.copy(node)
        node[key] = _replaced(node.get(key), rest, new)
    elif isinstance(node, list | tuple) and key.isdigit() and int(key) < len(node):
        items = list(node)
        items[int(key)] = _replaced(items[int(key)], rest, new)
        node = type(node)(items)
    return node


@contextmanager
def _while_reading(values: Mapping[str, Any]) -> Iterator[None]:
    original = mmengine_config.RemoveAssignFromAST
    mmengine_config.RemoveAssignFromAST = _Assignments
    _values.update(values)
    try:
        yield
    finally:
        mmengine_config.RemoveAssignFromAST = original
        _values.clear()


class _Assignments(mmengine_config.RemoveAssignFromAST):
    """mmengine's step between the text of a config and its code; ours adds ``name = changed('name', name)``."""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        self.generic_visit(node)
        wanted = {path.partition('.')[0] for path in _values}
        body = ast.parse(f'from {__name__} import changed as __changed').body  # __: such names are in no config
        for statement in node.body:
            body.append(statement)
            for name in sorted(_assigned(statement) & wanted):
                body += ast.parse(f'{name} = __changed({name!r}, {name})').body
        node.body = body
        return ast.fix_missing_locations(node)


def assigned_names(path: Path) -> set[str]:
    """Names that the statements at the top of a config file assign; of a Python file only."""
    if path.suffix != '.py':
        return set()
    return set().union(*map(_assigned, ast.parse(path.read_text()).body))


def _assigned(statement: ast.stmt) -> set[str]:
    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return set()
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return {x.id for target in targets for x in ast.walk(target) if isinstance(x, ast.Name) and _is_store(x)}


def _is_store(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)
