"""Names of a config that only its own files use: ``max_iters``, ``img_scale``, ``classes``, ``dataset``, ...

A config is Python: ``train_cfg = dict(max_iters=max_iters)`` is computed when the file is read, and what is changed
afterwards reaches nothing. An option for such a name is therefore applied while the files are read, after every
statement at the top of a file that assigns it, and all that is computed from it follows.
"""

import inspect
import os
import textwrap
from collections.abc import Container, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from detplug.cli.config_reading import assigned_names, read_config
from detplug.cli.options import check_path, reaches
from detplug.entry_points import plugins
from detplug.errors import UserError

# read by detplug, beside the parameters of mmengine's Runner; a plugin reads the section of its own name
READ = frozenset({'runner_type', 'device', 'find_unused_parameters', 'custom_imports'})


def is_variable(path: str) -> bool:
    """Whether only the files of a config use the name that the dotted ``path`` begins with."""
    return path.partition('.')[0] not in read_names()


@cache
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
    for key in values:
        if not reaches(config, key):
            check_path(config, key, path)
    values = dict(values)
    if 'data_root' in values:
        values['data_root'] = os.path.join(str(values['data_root'] or ''), '')
    before, followed, result = what_is_read(config), {}, config
    for key, value in values.items():
        result = read_config(path, {key: value})
        if what_is_read(result) != before:
            followed[key] = value
        elif key != 'data_root' and not same(_at(config, key), value):
            cure = _cure(path, key, value)
            raise UserError(f'--cfg-options {key}={value}: nothing in {path.name} follows from it; {cure}')
    if len(values) > 1:
        result = read_config(path, followed)
    if 'data_root' in values.keys() - followed.keys():
        _replace_root(result, config.data_root, values['data_root'])
    return result


def ineffective_assignments(config: Config, path: Path, given: Container[str] = ()) -> list[str]:
    """Variables that ``path`` gives another value than its bases, where they alone compute with it: a line for each.

    ``max_iters = 3000`` above a base whose loop was computed from its own ``max_iters`` changes nothing.

    Args:
        given: names that the command line gives values.
    """
    bases, lines = bases_of(path), []
    names = assigned_names(path) & set().union(*map(assigned_names, bases))
    read = what_is_read(config)
    for name in sorted(x for x in names if is_variable(x) and x not in given and x in config):
        base = next(base for base in bases if name in assigned_names(base))
        inherited = read_config(base, {}).get(name)
        if same(config[name], inherited):
            continue
        if what_is_read(read_config(path, {name: inherited})) == read:
            paths = _that_follow(path, name, config[name])
            if paths:
                value = textwrap.shorten(repr(config[name]), 40, placeholder='...')
                lines.append(
                    f'{path.name}: {name} = {value} changes nothing, {base.name} computes with its own; '
                    f'change {_some(paths)}, or give --cfg-options {name}=...'
                )
    return lines


def _that_follow(path: Path, key: str, value: Any) -> list[str]:
    """Dotted paths of the config's parts that a base, the nearest that does, computes from the variable ``key``."""
    config = read_config(path, {})
    for base in bases_of(path):
        there = what_is_read(read_config(base, {}))
        try:
            paths = differences(there, what_is_read(read_config(base, {key: value})))
        except UserError:  # the value does not suit it
            continue
        paths = [x for x in paths if reaches(config, x)]
        if paths:
            return paths
    return []


def _cure(path: Path, key: str, value: Any) -> str:
    """What to give in the place of a variable: the parts that follow from it in a base, before they are replaced."""
    paths = _that_follow(path, key, value)
    if paths:
        return f'a part that did is replaced; give {_some(paths)}'
    config = read_config(path, {})
    old = _at(config, key)
    paths = paths_with(what_is_read(config), old) if old is not None and not isinstance(old, bool) else []
    return f'the same value stands in {_some(paths)}' if paths else 'change the part of the config that you mean'


def _some(paths: list[str], shown: int = 4) -> str:
    return ', '.join(paths[:shown]) + (', ...' if len(paths) > shown else '')


def bases_of(path: Path) -> list[Path]:
    """The files that a config is based on, the nearest first."""
    if path.suffix != '.py' or Config._is_lazy_import(str(path)):
        return []
    direct = [Path(Config._get_cfg_path(base, str(path))[0]) for base in Config._get_base_files(str(path))]
    return list(dict.fromkeys(direct + [file for base in direct for file in bases_of(base)]))


def differences(one: Any, other: Any, path: str = '') -> list[str]:
    """Dotted paths of the parts of ``one`` that ``other`` has otherwise, the smallest ones."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        pairs = [(key, one[key], other[key]) for key in one]
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        pairs = [(key, *pair) for key, pair in enumerate(zip(one, other, strict=True))]
        if not any(isinstance(x, dict | list | tuple) for x in one):  # (width, height) is one value
            return [] if same(one, other) else [path]
    else:
        return [] if same(one, other) else [path]
    return [x for key, a, b in pairs for x in differences(a, b, f'{path}.{key}'.lstrip('.'))]


def _replace_root(config: Config, old: str, new: str) -> None:
    """Exchange the folder of the data, in place, in a config where every path stands as a text of its own.

    Such are those that mmengine writes into work folders.

    Raises:
        UserError: none does.
    """
    before = what_is_read(config)
    config.merge_from_dict(_with_root(config.to_dict(), old, new))
    if new != old and what_is_read(config) == before:
        raise UserError(f'--cfg-options data_root={new}: no path of {config.filename} begins with {old!r}; change each')


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
