"""Read a config file and apply ``--cfg-options``; everything wrong in either is one line.

Config files are Python by design (SECURITY.md); YAML configs are read by the safe loader.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from mmengine.config import Config
from mmengine.fileio.handlers import YamlHandler
from mmengine.fileio.handlers.registry_utils import _register_handler
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings

from detplug.cli.class_limits import check_class_limits
from detplug.cli.class_numbers import check_num_classes
from detplug.cli.config_address import config_path, is_of_package
from detplug.cli.config_variables import ineffective_assignments, is_variable, with_variables
from detplug.cli.options import apply_options, parse_options
from detplug.cli.stock_config import adapt
from detplug.engine.published_weights import UnreachableWeights
from detplug.entry_points import register_named
from detplug.errors import UserError


class SafeYamlHandler(YamlHandler):
    """mmengine's YAML handler with the safe loader: a ``!!python/object`` tag is an error, not a call."""

    def load_from_fileobj(self, file, **kwargs):
        return yaml.load(file, Loader=yaml.SafeLoader)


_register_handler(SafeYamlHandler(), ['yaml', 'yml'])


def load_config(path: str | Path, options: Sequence[str] = (), replaced: Mapping[str, str] | None = None) -> Config:
    """The config at ``path`` with ``KEY=VALUE`` options applied; its plugins are imported.

    ``path`` may be an address, ``detplug::FOLDER/NAME.py`` or ``mmdet::FOLDER/NAME.py``. A config of mmdet itself is
    fitted to our tools, and what was changed is printed (:mod:`detplug.cli.stock_config`). What the config computes
    from a name of its own follows the option for that name (:mod:`detplug.cli.config_variables`).

    Args:
        replaced: key -> argument of the command that stands above it.

    Raises:
        UserError: no such file, a config that does not load, an option whose path the config does not have, an option
            or a variable of the file that would change nothing, a head with another number of classes than the data, or
            a limit of detections a class that the head does not have.
    """
    path = config_path(path)
    MMLogger.get_current_instance().setLevel('WARNING')  # it would tell of every environment variable
    try:
        config = Config.fromfile(path)
    except UserError:
        raise
    except Exception as error:  # a config is a program: whatever it raises is the user's line to mend
        reason = str(error).strip() or 'empty file'
        raise UserError(f'{path}: does not load: {type(error).__name__}: {reason.splitlines()[0]}') from error
    register_named((config.get('custom_imports') or {}).get('imports') or ())
    init_default_scope(config.get('default_scope', 'mmdet'))
    given = parse_options(options)
    for key in given.keys() & (replaced or {}).keys():
        raise UserError(f'--cfg-options {key}={given[key]}: has no effect here; give {replaced[key]}')
    ineffective = ineffective_assignments(config, path, {key.partition('.')[0] for key in given})
    if ineffective and not is_of_package(path):
        raise UserError(ineffective[0])
    config = with_variables(config, {key: given[key] for key in given if is_variable(key)}, path)
    apply_options(config, {key: given[key] for key in given if not is_variable(key)}, path)
    if given.keys() & {'default_scope'}:
        init_default_scope(config.default_scope)
    if any(key.startswith('custom_imports') for key in given):
        import_modules_from_strings(**(config.custom_imports or {}))
    changes = ineffective + adapt(config)
    if changes and os.environ.get('RANK', '0') == '0':
        print(f'{path.name}: a config of mmdet, fitted to our tools:\n  ' + '\n  '.join(changes), flush=True)
    check_num_classes(config)
    check_class_limits(config)
    return config


def default_work_dir(config: Config) -> str:
    """``work_dir`` of the config, or work_dirs/FOLDER/NAME: configs of one name in two folders stay apart."""
    path = Path(config.filename).resolve()
    return config.get('work_dir') or str(Path('work_dirs') / path.parent.name / path.stem)


def path_of(node: dict | list, address: str, path: str = '') -> str | None:
    """Dotted path of what names the weights ``address``: the init_cfg that holds it, or the value itself."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        here = f'{path}.{key}'.lstrip('.')
        if value == address:
            return path if isinstance(node, dict) and node.get('type') == 'Pretrained' else here
        found = path_of(value, address, here) if isinstance(value, dict | list | tuple) else None
        if found is not None:
            return found
    return None


@contextmanager
def building(source: str | Path, config: Config | None = None) -> Iterator[None]:
    """Turn what mmengine raises for a wrong ``type`` or constructor argument into one line that names it.

    With the config, weights that cannot be downloaded get the option that does without them.
    """
    try:
        yield
    except UnreachableWeights as error:
        path = path_of(config._cfg_dict if config is not None else {}, error.address)
        if path is None:
            raise
        raise UserError(f'{error}, or start without it: --cfg-options {path}=None') from error
    except UserError:
        raise
    except ValueError as error:  # of mmengine's schedulers
        if 'end should be larger than begin' not in str(error):
            raise
        text = str(error).partition('but got ')[2]
        raise UserError(
            f'{source}: param_scheduler: {text}; the training ends before a part of the schedule begins: '
            'more steps (max_iters), or a shorter warm-up (warmup)'
        ) from error
    except (TypeError, KeyError, ImportError, FileNotFoundError) as error:
        text = str(error)
        argument = re.search(r"unexpected keyword argument '(\w+)'", text)
        if argument:
            owner = re.search(r"[Cc]lass [`']?(\w+)|(\w+)\.__init__", text)
            name = next((x for x in owner.groups() if x), 'a part') if owner else 'a part'
            raise UserError(f'{source}: {name} takes no argument {argument[1]!r}; mend its name') from error
        kind = re.search(r'([\w.]+) is not in the (\S+) registry', text)
        if kind:
            raise UserError(
                f'{source}: type {kind[1]!r} is not registered ({kind[2]}); '
                'add its plugin to custom_imports or mend its name'
            ) from error
        raise
