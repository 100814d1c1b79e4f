"""The plugins that are installed, ours and anybody's: the entry points of the group ``detplug.plugins``.

A distribution says in its metadata ``NAME = PACKAGE``. Nothing of a plugin is imported before it is needed, and a
plugin that does not import ends or disturbs only the commands that use it. What a plugin may bring:

    PACKAGE/register.py       what registers its parts (mmdet's registries, ``register_format``,
                              ``register_compressor``); imported for a config that names the package or this module
    PACKAGE/data_sources.py   SOURCES: name -> reader, for ``prepare_data NAME``
    PACKAGE/commands.py       COMMANDS: name -> (module with ``main(argv) -> exit status``, one line of help), for
                              ``detplug NAME``; imports nothing heavy
    PACKAGE/result_fields.py  FIELDS: name of a field of detections -> ResultField; imports no torch, and
                              neither does ``PACKAGE/__init__.py``
    PACKAGE/bundle_engines.py  ENGINES: kind of a bundle's input -> what opens its engine; imports no torch
    PACKAGE/frame_styles.py   DASHED: name of a class -> red, green, blue under the white dashes of its frames; imports
                              nothing
    PACKAGE/figure_texts.py  TEXTS: name of a figure of a metric -> text of the final table; imports nothing
    PACKAGE/compression_methods.py   METHODS: name -> Method, for ``detplug compress --method``; imports nothing heavy
    PACKAGE/demo_steps.py     STEPS: name -> DemoStep, for ``detplug demo``; imports nothing heavy
    PACKAGE/recipe_models.py  MODELS: name -> RecipeModel, for ``train --data --model NAME``; imports no torch
    PACKAGE/recipe_options.py OPTIONS: name -> RecipeOption, for ``train --data --NAME VALUE``; imports no torch
"""

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from detplug.errors import UserError
from detplug.extras import cure_of

GROUP = 'detplug.plugins'


def plugins() -> list[EntryPoint]:
    """The entry points of every installed plugin, sorted by name.

    Raises:
        UserError: none at all, not even ours: detplug is run without an installation, or with one of before.
    """
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    if not points:
        raise UserError(
            f'plugins: none is known, because the detplug in {Path(__file__).parents[1]} is not installed in this '
            'Python, or was before it had them; run `pip install -e .` there, or make setup'
        )
    return points


def load_plugin(name: str) -> None:
    """Import the plugin ``name``, which registers its parts; a name that no plugin has is left to the registries.

    Raises:
        UserError: the plugin does not import, or two distributions have one of this name.
    """
    named = [point for point in plugins() if point.name == name]
    if len(named) > 1:
        owners = ' and '.join(_owner(point) for point in named)
        raise UserError(f'plugin {name}: {owners} both have one of this name; uninstall one of them')
    for point in named:
        _register(point)


def register_named(modules: Sequence[str]) -> None:
    """Register the plugins among ``modules``, the packages that a config imports.

    Raises:
        UserError: a plugin that does not import.
    """
    for point in plugins() if modules else ():
        if point.module in modules:
            _register(point)


def _register(point: EntryPoint) -> None:
    _import(point, f'{point.module}.register' if _has(point, 'register') else point.module)


def plugin_table(submodule: str, table: str, ours: Mapping[str, Any]) -> dict[str, Any]:
    """``ours``, then the entries of the dict ``PACKAGE.submodule.table`` of each plugin that has such a module.

    The file is looked for before anything is imported, so that a plugin without it costs nothing. A plugin whose file
    does not import, and an entry whose name is taken, are left out with a line on stderr.
    """
    entries = dict(ours)
    for point in plugins():
        try:
            new = _table(point, submodule, table)
        except UserError as error:
            print(f'warning: {error}; left out', file=sys.stderr)
            continue
        for name in new.keys() & entries.keys():
            print(f'warning: plugin {point.name}: {submodule}.{table}: {name!r} is taken; left out', file=sys.stderr)
        entries |= {name: part for name, part in new.items() if name not in entries}
    return entries


def _table(point: EntryPoint, submodule: str, table: str) -> Mapping[str, Any]:
    if not _has(point, submodule):
        return {}
    try:
        return getattr(_import(point, f'{point.module}.{submodule}'), table)
    except AttributeError as error:
        raise _broken(point, error) from error


def _has(point: EntryPoint, submodule: str) -> bool:
    try:
        spec = importlib.util.find_spec(point.module)
    except Exception as error:  # it imports the packages above, which may raise anything
        raise _broken(point, error) from error
    if spec is None:
        raise _broken(point, ModuleNotFoundError(f'no package {point.module}'))
    return PathFinder.find_spec(submodule, spec.submodule_search_locations or []) is not None


def _import(point: EntryPoint, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except UserError:
        raise
    except Exception as error:  # anybody's code: whatever it raises belongs in the line that names it
        raise _broken(point, error) from error


def _broken(point: EntryPoint, error: Exception) -> UserError:
    lines = str(error).splitlines() or ['']
    cure = cure_of(error) or f'mend or uninstall {_owner(point)}'
    return UserError(f'plugin {point.name} ({point.module}): {type(error).__name__}: {lines[0]}; {cure}')


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module
