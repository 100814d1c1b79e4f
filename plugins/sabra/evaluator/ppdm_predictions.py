"""Predictions of HICO-DET as PPDM writes them, and those who follow it: QPIC, CDN, GEN-VLKT, HOICLIP.

A list with an entry for each image: ``file_name``; ``predictions``, boxes with ``bbox`` xyxy (0-based px) and
``category_id``; ``hoi_prediction`` with ``subject_id`` and ``object_id`` (positions in ``predictions``),
``category_id`` of the verb and ``score``. Numbers may be texts with a line break.

Two numberings occur: COCO's object ids 1 .. 90 with verbs 1 .. 117 (PPDM), and positions 0 .. 79 with verbs 0 .. 116
(what QPIC's code has in memory). Nothing in a file says which, so the caller does.
"""

from pathlib import Path

import numpy as np

from detplug.errors import UserError

from ..data.coco_names import IDS, NAMES
from ..relations import RelationResult, RelationSet
from .fields import ImageIndex, field, floats, integers, listed, name_numbers, result

NUMBERINGS = ('coco', 'position')


def read_ppdm(path: Path, content: list, data: RelationSet, numbering: str = 'coco') -> dict[int, RelationResult]:
    """Position of an image in ``data`` -> its predictions.

    Args:
        content: parsed json of ``path``.
        numbering: of :data:`NUMBERINGS`.

    Raises:
        UserError: a field is missing or wrong, an image that the truth has not, a number of the other numbering.
    """
    index, label_of = ImageIndex(data.images), np.full(max(IDS) + 1, -1)
    label_of[list(IDS) if numbering == 'coco' else np.arange(len(IDS))] = name_numbers(
        NAMES, data.names.objects, 'classes of COCO'
    )
    predicted = {}
    for i, entry in enumerate(content):
        where = f'{path}[{i}]'
        position = index.of_name(field(entry, 'file_name', where), f'{where}.file_name')
        if position in predicted:
            raise UserError(f'{where}.file_name: {data.images[position].file_name} is listed twice; keep one entry')
        predicted[position] = _image(entry, label_of, len(data.names.predicates), numbering, where)
    return predicted


def _image(entry: dict, label_of: np.ndarray, verbs: int, numbering: str, where: str) -> RelationResult:
    base = 1 if numbering == 'coco' else 0
    other = NUMBERINGS[base]
    boxes, relations = (listed(entry, key, where) for key in ('predictions', 'hoi_prediction'))
    corners = floats([field(x, 'bbox', where) for x in boxes], f'{where}.predictions.bbox', 4)
    numbers = [field(x, 'category_id', f'{where}.predictions') for x in boxes]
    try:
        labels = label_of[integers(numbers, f'{where}.predictions.category_id', base, len(label_of))]
        if (labels < 0).any():
            raise UserError(f'{where}.predictions.category_id: {numbers[(labels < 0).argmax()]} is no class')
        verb = integers(
            [field(x, 'category_id', f'{where}.hoi_prediction') for x in relations],
            f'{where}.hoi_prediction.category_id',
            base,
            base + verbs,
        )
    except UserError as error:
        raise UserError(f'{error}; where the numbers are those of the other numbering: --numbering {other}') from None
    ends = [
        integers([field(x, key, f'{where}.hoi_prediction') for x in relations], f'{where}.{key}', 0, len(boxes))
        for key in ('subject_id', 'object_id')
    ]
    scores = floats([field(x, 'score', f'{where}.hoi_prediction') for x in relations], f'{where}.hoi_prediction.score')
    return result(corners, labels, np.ones(len(corners)), np.stack([*ends, verb - base], axis=1), scores)
