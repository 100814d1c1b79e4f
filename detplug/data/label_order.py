"""Check of data sets that read COCO files in mmdet's own way."""

from typing import Any

from detplug.errors import UserError


def check_label_order(dataset: Any) -> None:
    """A data set of mmdet's own that reads COCO files: its labels must follow the names of its classes.

    Raises:
        UserError: it follows the order of the file, so that labels are swapped.
    """
    for part in [*getattr(dataset, 'datasets', []), getattr(dataset, 'dataset', None)]:
        if part is not None:
            check_label_order(part)
    labels, categories = getattr(dataset, 'cat2label', None), getattr(getattr(dataset, 'coco', None), 'cats', None)
    if not isinstance(labels, dict) or not isinstance(categories, dict):
        return
    classes = dataset.metainfo['classes']
    for number, label in labels.items():
        name = categories.get(number, {}).get('name')
        if name is not None and (label >= len(classes) or name != classes[label]):
            raise UserError(
                f'{dataset.ann_file}: categories: {type(dataset).__name__} gives {name!r} the label {label} of '
                f'{classes[min(label, len(classes) - 1)]!r}; sort the categories of the file as classes are, or use '
                'CheckedCocoDataset'
            )
