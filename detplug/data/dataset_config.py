"""Configs of data sets that are wrapped, repeated or concatenated, as mmdet's are."""

from collections.abc import Iterator

from mmdet.registry import DATASETS

from detplug.data.names import check_tuple


def innermost_datasets(dataset: dict) -> Iterator[dict]:
    """The configs that read annotations: ``dataset`` itself, or those inside of ``dataset=`` and ``datasets=``."""
    if 'datasets' in dataset:
        for part in dataset['datasets']:
            yield from innermost_datasets(part)
    elif 'dataset' in dataset:
        yield from innermost_datasets(dataset['dataset'])
    else:
        yield dataset


def names_of(dataset: dict, field: str = 'classes') -> tuple[str, ...]:
    """Names in ``field`` of the first data set's ``metainfo``, by default those that its class brings (CocoDataset).

    Empty where neither has any.

    Raises:
        UserError: a text in place of a tuple, as a tuple of one name without its comma is.
    """
    first = next(innermost_datasets(dataset), {})
    names = (first.get('metainfo') or {}).get(field)
    if names is not None:
        check_tuple(names, field, str(first.get('ann_file') or first.get('data_root') or 'data set'))
    else:
        kind = DATASETS.get(first['type']) if isinstance(first.get('type'), str) else first.get('type')
        names = getattr(kind, 'METAINFO', {}).get(field)
    return (names,) if isinstance(names, str) else tuple(names or ())
