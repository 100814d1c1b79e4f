"""Apply ``--cfg-options KEY=VALUE`` to a config: keys that it has, and keys that the parts it names would take."""

import ast
import difflib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet import registry as mmdet_registry
from mmengine.config import Config, DictAction
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import Registry
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from detplug.errors import UserError

REGISTRIES = [value for value in vars(mmdet_registry).values() if isinstance(value, Registry)]


def parse_options(options: Sequence[str]) -> dict[str, Any]:
    """Dotted path -> value of ``a.b.0.c=value`` options.

    Raises:
        UserError: an option without ``=``, or with brackets that do not close.
    """
    return dict(_parse(option) for option in options)


def apply_options(config: Config, parsed: Mapping[str, Any], source: str | Path) -> None:
    """Merge values by their dotted paths into ``config``, in place.

    A key that the config lacks is added where a parameter of that name has a default in the class that the ``type``
    beside it names, in torch's DataLoader for a loader, or in mmengine's Runner at the top level. Options are read as
    one: a new ``type`` decides which keys may be added beside it.

    Raises:
        UserError: a path that neither the config has nor any of its parts takes.
    """
    there = {key: value for key, value in parsed.items() if reaches(config, key)}
    config.merge_from_dict(there)
    for key in parsed.keys() - there.keys():
        check_path(config, key, source)
    config.merge_from_dict({key: value for key, value in parsed.items() if key not in there})


def _parse(option: str) -> tuple[str, Any]:
    key, equals, value = option.partition('=')
    if not equals:
        raise UserError(f'--cfg-options {option}: no value; write KEY=VALUE')
    if value[:1] in ('(', '[', '{', "'", '"'):
        try:
            return key, ast.literal_eval(value)
        except (ValueError, SyntaxError):
            pass  # (a, b): texts without quotes
    if re.search(r'\w +\w', value):  # mmengine would take the spaces out of 'red blood cell'
        if ',' not in value and value[0] not in '([{':
            return key, value
        raise UserError(f'--cfg-options {option}: a list of texts with spaces; put each text into quotes')
    try:
        return key, DictAction._parse_iterable(value)
    except AssertionError as error:
        raise UserError(f'--cfg-options {option}: unbalanced brackets in the value') from error


def reaches(config: Config, key: str) -> bool:
    """Whether ``config`` has the dotted path ``key``."""
    node = config._cfg_dict
    for part in key.split('.'):
        if part not in _keys(node):
            return False
        node = _child(node, part)
    return True


def _keys(node: Any) -> list[str]:
    if isinstance(node, dict):
        return list(node)
    return [str(i) for i in range(len(node))] if isinstance(node, list | tuple) else []


def _child(node: Any, part: str) -> Any:
    return node[int(part)] if isinstance(node, list | tuple) else node[part]


def check_path(config: Config, key: str, source: str | Path) -> None:
    """Refuse a path that ``config`` lacks, unless its last part may be added.

    Raises:
        UserError: the line names what is there.
    """
    node, before = config._cfg_dict, ''
    for part in key.split('.'):
        where = before or 'the top level'
        if not isinstance(node, dict | list | tuple):
            raise UserError(f'--cfg-options {key}: {where} is a value, it holds no {part!r}; see {source}')
        known = _keys(node)
        if part not in known:
            may_be_added = addable(node, before)
            if part in may_be_added:
                return
            near = difflib.get_close_matches(part, [*known, *may_be_added], n=1)
            hint = f'did you mean {near[0]!r}?' if near else f'it has {", ".join(known[:12]) or "nothing"}'
            raise UserError(f'--cfg-options {key}: {source} has no {part!r} in {where}; {hint}')
        node, before = _child(node, part), f'{before}.{part}'.lstrip('.')


def addable(node: Any, path: str) -> list[str]:
    """Keys that may be added to the dict at ``path`` of a config: optional parameters of what is built from it."""
    if not isinstance(node, dict):
        return []
    makers = list(_makers(node.get('type')))
    if path == '':
        makers.append(Runner)
    elif path.endswith('_dataloader'):
        makers.append(DataLoader)
    elif path == 'optim_wrapper':
        makers += [DefaultOptimWrapperConstructor] if makers else [DefaultOptimWrapperConstructor, OptimWrapper]
    return list(dict.fromkeys(name for maker in makers for name in optional_parameters(maker)))


def _makers(kind: Any) -> Iterator[Callable]:
    """What ``type`` names, in each registry that has it."""
    if callable(kind):
        yield kind
    elif isinstance(kind, str):
        yield from filter(None, (registry.get(kind) for registry in REGISTRIES))


def optional_parameters(maker: Callable) -> list[str]:
    """Parameters with a default of a function or class, those that ``**kwargs`` pass on to its bases included."""
    classes = inspect.getmro(maker)[:-1] if inspect.isclass(maker) else ()
    names: dict[str, None] = {}
    for function in [x.__init__ for x in classes if '__init__' in vars(x)] or [maker]:
        parameters = inspect.signature(function).parameters.values()
        names |= {x.name: None for x in parameters if x.default is not x.empty}
        if not any(x.kind is x.VAR_KEYWORD for x in parameters):
            break
    return list(names)
