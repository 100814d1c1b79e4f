"""Rank selectors by the names of ``compress --ranks``; a selector of another plugin registers here too."""

from collections.abc import Callable

from detplug.named_parts import NamedParts

SELECTORS: NamedParts[type] = NamedParts('--ranks ', 'rank selector')


def register_selector(name: str) -> Callable[[type], type]:
    """Decorator that adds a class of rank selectors under ``name``, for ``--ranks NAME``.

    Raises:
        KeyError: the name is taken by another class.
    """
    return SELECTORS.adder(name)
