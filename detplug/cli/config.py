"""Read a config file and apply ``--cfg-options``; everything wrong in either is one line.

Config files are Python by design (SECURITY.md); YAML configs are read by the safe loader.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from mmengine.config import Config
from mmengine.fileio.handlers import YamlHandler
from mmengine.fileio.handlers.registry_utils import _register_handler
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from detplug.cli.config_address import config_path
from detplug.cli.options import apply_options
from detplug.cli.stock_config import adapt
from detplug.engine.published_weights import UnreachableWeights
from detplug.entry_points import register_named
from detplug.errors import UserError


class SafeYamlHandler(YamlHandler):
    """mmengine's YAML handler with the safe loader: a ``!!python/object`` tag is an error, not a call."""

    def load_from_fileobj(self, file, **kwargs):
        return yaml.load(file, Loader=yaml.SafeLoader)


_register_handler(SafeYamlHandler(), ['yaml', 'yml'])


def load_config(path: str | Path, options: Sequence[str] = ()) -> Config:
    """The config at ``path`` with ``KEY=VALUE`` options applied; its plugins are imported.

    ``path`` may be an address, ``detplug::FOLDER/NAME.py`` or ``mmdet::FOLDER/NAME.py``. A config of mmdet itself is
    fitted to our tools, and what was changed is printed (:mod:`detplug.cli.stock_config`). A new ``data_root`` reaches
    the data sets too (mmengine alone changes only the top-level key).

    Raises:
        UserError: no such file, a config that does not load, or an option whose path the config does not have.
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
    old_root = config.get('data_root')
    apply_options(config, options, path)
    if old_root is not None and config.data_root != old_root:
        new_root = os.path.join(str(config.data_root), '')
        config.merge_from_dict(_replace_prefix(config.to_dict(), old_root, new_root) | {'data_root': new_root})
    changes = adapt(config)
    if changes and os.environ.get('RANK', '0') == '0':
        print(f'{path.name}: a config of mmdet, fitted to our tools:\n  ' + '\n  '.join(changes), flush=True)
    return config


def _replace_prefix(node, old: str, new: str):
    """``node`` with every text that starts with ``old`` made to start with ``new``."""
    if isinstance(node, dict):
        return {key: _replace_prefix(value, old, new) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return type(node)(_replace_prefix(value, old, new) for value in node)
    if isinstance(node, str) and node.startswith(old):
        return new + node[len(old) :]
    return node


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
