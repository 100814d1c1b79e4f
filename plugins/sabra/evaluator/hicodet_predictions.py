"""Predictions of HICO-DET for the MATLAB script: detections_01.mat to detections_80.mat of UPT, PViC and hicodet.

A file an object class, in the order of the sorted names. ``all_boxes`` is a cell array: a row for each class of the
object in the official order, a column for each image in the order of the annotation file (images without pairs too);
a cell has rows of the person's box, the object's box (0-based, last pixel inside) and the score. Reading needs scipy.
"""

from pathlib import Path

import numpy as np

from detplug.errors import UserError

from ..data.hico_mat import load_mat
from ..relations import RelationResult, RelationSet
from .fields import floats, result

PATTERN = 'detections_{:02d}.mat'


def read_hicodet(folder: Path, data: RelationSet) -> dict[int, RelationResult]:
    """Position of an image in ``data`` -> its predictions; ``data`` with the images of the whole test set, in order.

    Raises:
        UserError: a file is missing or has another shape.
    """
    names, person = data.names, data.names.objects.index('person')
    columns: dict[int, list[tuple[np.ndarray, int, int]]] = {}
    for label in range(len(names.objects)):
        path = folder / PATTERN.format(label + 1)
        cells = load_mat(path, ['all_boxes']).get('all_boxes')
        classes = np.flatnonzero(names.triplets[:, 0] == label)
        if cells is None or cells.dtype != object or cells.shape != (len(classes), len(data.images)):
            shape = None if cells is None else cells.shape
            raise UserError(
                f'{path}: all_boxes: {shape} where classes of the object and images are '
                f'{(len(classes), len(data.images))}; evaluate on the whole split that was predicted'
            )
        for row, position in zip(*np.nonzero(np.vectorize(np.size, otypes=[int])(cells)), strict=True):
            pairs = floats(cells[row, position], f'{path}: all_boxes[{row}, {position}]', 9)
            columns.setdefault(int(position), []).append((pairs, label, int(names.triplets[classes[row], 1])))
    return {position: _image(parts, person) for position, parts in columns.items()}


def _image(parts: list[tuple[np.ndarray, int, int]], person: int) -> RelationResult:
    pairs = np.concatenate([each for each, _, _ in parts])
    lengths = [len(each) for each, _, _ in parts]
    things, verbs = (np.repeat([part[at] for part in parts], lengths) for at in (1, 2))
    number = np.arange(len(pairs))
    boxes = np.concatenate([pairs[:, :4], pairs[:, 4:8]])
    labels = np.concatenate([np.full(len(pairs), person), things])
    return result(
        boxes, labels, np.ones(len(boxes)), np.stack([number, len(pairs) + number, verbs], axis=1), pairs[:, 8]
    )
