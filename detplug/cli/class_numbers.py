"""Heads have as many classes as the data have names; any other number learns, or prints, wrong names."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config

from detplug.data.dataset_config import innermost_datasets, names_of
from detplug.data.named_coco import NamedCocoDataset
from detplug.data.names import check_lists
from detplug.errors import UserError

HEADS = ('bbox_head', 'mask_head')
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def check_num_classes(config: Config) -> None:
    """Compare ``num_classes`` of each head with the names of each data set that checks its names.

    Raises:
        UserError: they differ, or ``classes`` is one text instead of a tuple of names.
    """
    model = config.get('model') or {}
    for loader in LOADERS:
        dataset = (config.get(loader) or {}).get('dataset')
        if not isinstance(dataset, dict) or not all(map(_checks_names, innermost_datasets(dataset))):
            continue
        given = (next(innermost_datasets(dataset)).get('metainfo') or {}).get('classes')
        if given is not None:
            check_lists(given, (), (), f'{config.filename}: {loader}')
        names = names_of(dataset)
        wanted = _outputs(model, names) if names else ()
        for path, number in _numbers(model, 'model') if names else ():
            if number != len(wanted):
                raise UserError(
                    f'{config.filename}: {path}.num_classes: {number}, but the data have {len(names)} classes '
                    f'({", ".join(names[:5])}{", ..." if len(names) > 5 else ""}){_added(names, wanted)}; '
                    f'make them agree: {path}.num_classes={len(wanted)}, or other classes in metainfo'
                )


def _checks_names(dataset: dict) -> bool:
    """Whether a data set is neither mmdet's own nor read as mmdet does, with stuff beside things."""
    kind = dataset.get('type')
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    return inspect.isclass(kind) and not kind.__module__.startswith('mmdet.') and kind is not NamedCocoDataset


def _outputs(model: dict, names: Sequence[str]) -> Sequence[str]:
    """The names that the heads of a model tell apart: those of the data, and what ``class_names`` adds.

    A model whose heads do not tell all apart that it names has a static method ``head_names(config, names)`` too.
    """
    kind = model.get('type')
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    heads = inspect.getattr_static(kind, 'head_names', None)
    if isinstance(heads, staticmethod):
        return heads.__func__(model, names)
    added = inspect.getattr_static(kind, 'class_names', None)
    return added.__func__(names) if isinstance(added, staticmethod) else names


def _added(names: Sequence[str], wanted: Sequence[str]) -> str:
    return f', and the detector adds {", ".join(wanted[len(names) :])}' if len(wanted) > len(names) else ''


def _numbers(node: Any, path: str) -> Iterator[tuple[str, int]]:
    """(path, num_classes) of the box and mask heads of a model."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, dict | list | tuple):
            heads = value if isinstance(value, list | tuple) else [value]
            if key in HEADS:
                yield from ((f'{path}.{key}', head['num_classes']) for head in heads if 'num_classes' in head)
            else:
                yield from _numbers(value, f'{path}.{key}')
