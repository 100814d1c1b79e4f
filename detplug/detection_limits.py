"""The limit of detections of one class, ``max_per_class`` of a test_cfg: what it may be, and which heads have it.

``max_per_img`` counts detections of all classes together: where one class has more objects than it allows, every box of
a rare class with a lower score is cut. ``max_per_class`` keeps the best so many of each class, after suppression.
A head that has it has the attribute ``limits_per_class = True``.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from detplug.errors import UserError

NAME = 'max_per_class'


def class_limit(cfg: Mapping, where: str = 'test_cfg') -> int | None:
    """Detections of one class an image that ``cfg`` allows; None is no limit.

    Raises:
        UserError: no whole number above 0.
    """
    limit = cfg.get(NAME)
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise UserError(f'{where}: {NAME}: {limit!r} is no whole number above 0; give one, or None for no limit')
    return limit


def limits_in(node: Any, path: str) -> Iterator[tuple[str, Mapping]]:
    """(path, dict) of every dict below ``node``, a config, that sets ``max_per_class``."""
    if isinstance(node, Mapping) and node.get(NAME) is not None:
        yield path, node
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list | tuple) else ()
    for key, value in items:
        yield from limits_in(value, f'{path}.{key}')
