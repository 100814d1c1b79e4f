"""``max_per_class`` where it has no effect is refused before anything is computed."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmdet.registry import MODELS
from mmengine.config import Config

from detplug.detection_limits import NAME, class_limit, limits_in
from detplug.errors import UserError


def check_class_limits(config: Config) -> None:
    """Refuse ``max_per_class`` in a model none of whose heads has such a limit, and what is no number.

    Raises:
        UserError: either, with the path.
    """
    model = config.get('model') or {}
    heads = None
    for path, cfg in limits_in(model, 'model'):
        class_limit(cfg, f'{config.filename}: {path}')
        heads = list(_heads(model)) if heads is None else heads
        kinds = [MODELS.get(kind) if isinstance(kind, str) else kind for kind in heads]
        if not any(getattr(kind, 'limits_per_class', False) for kind in kinds):
            names = ', '.join(x if isinstance(x, str) else x.__name__ for x in heads) or 'the model'
            raise UserError(
                f'{config.filename}: {path}.{NAME}: {names} has no limit of detections a class, so it has no effect; '
                f'leave it out and give a larger max_per_img'
            )


def _heads(node: Any) -> Iterator[str | type]:
    """Types of the box heads of a model's config."""
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list | tuple) else ()
    for key, value in items:
        if key == 'bbox_head':
            yield from (x['type'] for x in (value if isinstance(value, list | tuple) else [value]) if 'type' in x)
        else:
            yield from _heads(value)
