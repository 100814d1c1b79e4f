"""Names of a config that only its own files use: ``max_iters``, ``img_scale``, ``classes``, ``dataset``, ...

A config is Python: ``train_cfg = dict(max_iters=max_iters)`` is computed when the file is read, and what is changed
afterwards reaches nothing. An option for such a name is therefore applied while the files are read, after every
statement at the top of a file that assigns it, and all that is computed from it follows.
"""

import ast
import copy
import inspect
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.config import config as mmengine_config
from mmengine.runner import Runner

from detplug.cli.options import check_path, reaches
from detplug.entry_points import plugins
from detplug.errors import UserError

# read by detplug, beside the parameters of mmengine's Runner; a plugin reads the section of its own name
READ = frozenset({'runner_type', 'device', 'find_unused_parameters', 'custom_imports'})
_values: dict[str, Any] = {}  # dotted path -> value, while a config is read


def is_variable(path: str) -> bool:
    """Whether only the files of a config use the name that the dotted ``path`` begins with."""
    return path.partition('.')[0] not in read_names()


def read_names() -> frozenset[str]:
    """Top-level names that mean something once the config is read."""
    return READ | set(inspect.signature(Runner).parameters) | {point.name for point in plugins()}


def with_variables(config: Config, values: Mapping[str, Any], path: Path) -> Config:
    """``config``, which was read from ``path``, with ``values`` for its variables and all that follows from them.

    Args:
        values: dotted path, ``max_iters`` or ``dataset.data_prefix.img``, -> value.

    Raises:
        UserError: it has no such path, does not load with the values, or nothing follows from one of them.
    """
    if not values:
        return config
    for key in values:
        if not reaches(config, key):
            check_path(config, key, path)
    values = dict(values)
    if 'data_root' in values:
        values['data_root'] = os.path.join(str(values['data_root'] or ''), '')
    before, stuck = what_is_read(config), {}
    for key, value in values.items():
        if not same(_at(config, key), value) and what_is_read(read_config(path, {key: value})) == before:
            stuck[key] = value
    result = read_config(path, {key: values[key] for key in values if key not in stuck})
    for key, value in stuck.items():
        if key != 'data_root' or not replace_root(result, config.data_root, value):
            raise UserError(f'--cfg-options {key}={value}: nothing in {path.name} follows from it; {_hint(config, key)}')
    return result


def replace_root(config: Config, old: str, new: str) -> bool:
    """Exchange the folder of the data in a config that was dumped, where every path stands as a text of its own.

    Returns:
        Whether there was anything to exchange, beside ``data_root`` itself.
    """
    before = what_is_read(config)
    config.merge_from_dict(_with_root(config.to_dict(), old, new))
    return what_is_read(config) != before


def _with_root(node: Any, old: str, new: str, key: str | int = '') -> Any:
    if isinstance(node, dict):
        return {name: _with_root(value, old, new, name) for name, value in node.items()}
    if isinstance(node, list | tuple):
        return type(node)(_with_root(value, old, new) for value in node)
    if isinstance(node, str) and (node == old if key == 'data_root' else old and node.startswith(old)):
        return new + node[len(old) :]
    return node


def _at(config: Config, path: str) -> Any:
    node = config._cfg_dict
    for key in path.split('.'):
        node = node[int(key)] if isinstance(node, list | tuple) else node.get(key)
    return node


def _hint(config: Config, key: str) -> str:
    """The paths that hold the value of a variable, in a config that does not say how they are computed."""
    value = _at(config, key)
    paths = [] if value is None or isinstance(value, bool) else paths_with(what_is_read(config), value)
    if not paths:
        return 'change the part of the config that you mean, as in model.backbone.depth=18'
    return f'give {", ".join(paths[:4])}{", ..." if len(paths) > 4 else ""}, which {"have" if paths[1:] else "has"} its value'


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


def what_is_read(config: Config) -> dict[str, Any]:
    """The parts of ``config`` that mean something, without its variables."""
    names = read_names()
    return {name: value for name, value in config.to_dict().items() if name in names}


def paths_with(node: Any, value: Any, path: str = '') -> list[str]:
    """Dotted paths below ``node`` of what equals ``value``."""
    children = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list | tuple) else ()
    found = []
    for key, child in children:
        here = f'{path}.{key}'.lstrip('.')
        found += [here] if same(child, value) else paths_with(child, value, here)
    return found


def same(one: Any, other: Any) -> bool:
    """Equal values of one type; a list equals a tuple of the same items."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


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


def _assigned(statement: ast.stmt) -> set[str]:
    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return set()
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return {x.id for target in targets for x in ast.walk(target) if isinstance(x, ast.Name) and _is_store(x)}


def _is_store(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)
