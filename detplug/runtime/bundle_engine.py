"""Engines of bundles whose input is no picture: plugins bring them.

A plugin whose export writes ``input: {"kind": KIND}`` into the manifest brings a module ``PACKAGE/bundle_engines.py``,
which imports no torch::

    ENGINES = {KIND: open}  # open(source: BundleSource, threads) -> Engine
"""

from collections.abc import Callable
from functools import cache

from detplug.entry_points import plugin_table
from detplug.errors import UserError
from detplug.runtime.engine import Engine

Opener = Callable[..., Engine]


@cache
def bundle_engines() -> dict[str, Opener]:
    """Kind of input -> what opens the engine, of all installed plugins."""
    return plugin_table('bundle_engines', 'ENGINES', {})


def bundle_engine(kind: str, folder: str) -> Opener:
    """What opens bundles of this kind of input.

    Raises:
        UserError: no plugin does.
    """
    if kind not in bundle_engines():
        raise UserError(
            f'{folder}/manifest.json: input: kind {kind}: no installed plugin runs it; install the one that exported it'
        )
    return bundle_engines()[kind]
