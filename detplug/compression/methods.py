"""What ``compress`` can do, by what plugins say of their compressors; no plugin's compressor is imported for it.

A plugin brings ``PACKAGE/compression_methods.py``, which imports nothing heavy::

    METHODS = {'tensor_train': Method('chains of smaller convolutions', default=True)}
"""

from dataclasses import dataclass

from detplug.entry_points import plugin_table
from detplug.errors import UserError


@dataclass(frozen=True)
class Method:
    """A compressor before its plugin is imported.

    Attributes:
        help: what it does, one line.
        default: whether ``compress`` does this where no other is named; the first plugin that says so wins.
    """

    help: str
    default: bool = False


def methods() -> dict[str, Method]:
    """Of all installed plugins, by name."""
    return plugin_table('compression_methods', 'METHODS', {})


def default_method() -> str:
    """Name of the compressor where the command line names none.

    Raises:
        UserError: no plugin has one.
    """
    known = methods()
    for name, method in known.items():
        if method.default:
            return name
    raise UserError(f'--method: missing; name a compressor{", one of " * bool(known)}{", ".join(known)}')


def methods_text() -> str:
    """The help of ``--method``: every compressor and what it does."""
    known = methods()
    lines = '; '.join(f'{name}: {method.help}' for name, method in known.items()).replace('%', '%%')
    return f'compressor of a plugin, by default {default_method()}. {lines}'
