"""HICO's image-level labels, ``anno.mat``: they say which objects an image is known to hold."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detplug.data.records import one_line
from detplug.errors import UserError

from ..relations import RelationImage


def read_image_labels(path: str | Path, split: str = 'test') -> tuple[list[str], np.ndarray]:
    """File names of the images, and (I, C) float64 labels of the classes: 1 yes, 0 ambiguous, -1 no, NaN not asked.

    Args:
        path: the official ``anno.mat`` (MATLAB 5).
        split: 'train' or 'test'.

    Raises:
        UserError: no such file, or not the official content.
    """
    from ..data.hico_mat import load_mat  # late: nothing else here needs more than numpy

    keys = [f'list_{split}', f'anno_{split}']
    content = load_mat(Path(path), keys)
    try:
        names = [str(cell.item()) for cell in content[keys[0]].ravel()]
        labels = np.asarray(content[keys[1]], np.float64).T
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f'{path}: {" or ".join(keys)}: not as HICO has it ({one_line(error)}); get the file again'
        ) from None
    if labels.ndim != 2 or len(labels) != len(names):
        raise UserError(f'{path}: {keys[1]}: not {len(names)} images as {keys[0]} has; get the file again')
    return names, labels


def labels_of(images: Sequence[RelationImage], path: str | Path, split: str = 'test') -> np.ndarray:
    """(I, C) the labels of ``images``, found by file name; for :func:`.hico.hico_map`.

    Raises:
        UserError: an image without labels; see also :func:`read_image_labels`.
    """
    known, labels = read_image_labels(path, split)
    row = {name: i for i, name in enumerate(known)}
    names = [Path(image.file_name).name for image in images]
    missing = [name for name in names if name not in row]
    if missing:
        raise UserError(
            f'{path}: list_{split}: {len(missing)} of {len(names)} images are not in it, first {missing[0]!r}; '
            'give the labels of the images that are evaluated'
        )
    return labels[np.array([row[name] for name in names], np.int64)]
