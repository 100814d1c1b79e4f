"""Configs of data sets that are wrapped, repeated or concatenated, as mmdet's are."""

from collections.abc import Iterator

from mmdet.registry import DATASETS


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
    """
    first = next(innermost_datasets(dataset), {})
    names = (first.get('metainfo') or {}).get(field)
    if names is None:
        kind = DATASETS.get(first['type']) if isinstance(first.get('type'), str) else first.get('type')
        names = getattr(kind, 'METAINFO', {}).get(field)
    return (names,) if isinstance(names, str) else tuple(names or ())
