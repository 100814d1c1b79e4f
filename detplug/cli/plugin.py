"""Import a plugin that the command line names."""

import importlib
import importlib.util

from detplug.engine.quiet import quiet_imports


def load_plugin(name: str) -> None:
    """Import ``plugins.NAME`` where it exists, which registers its parts; other names are left to the registries."""
    if name.isidentifier() and importlib.util.find_spec(f'plugins.{name}'):
        with quiet_imports():
            importlib.import_module(f'plugins.{name}')
