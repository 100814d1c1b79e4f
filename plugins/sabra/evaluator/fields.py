"""Fields of result and annotation files: arrays of the right shape, or one line that names the file and the field."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detplug.errors import UserError, one_line

from ..relations import RelationImage, RelationResult

LARGEST = 1e9  # px; also refuses what is not finite


def floats(value: Any, where: str, columns: int | None = None) -> np.ndarray:
    """(N,) or (N, columns) float64 of finite numbers.

    Raises:
        UserError: something else; ``where`` names file and field.
    """
    try:
        array = np.asarray(value, np.float64)
        if columns is not None:
            array = array.reshape(-1, columns) if array.size else np.zeros((0, columns))
        good = len(array) == len(value) and array.ndim <= 2 and bool((np.abs(array) < LARGEST).all())
    except (OverflowError, TypeError, ValueError):
        good = False
    if not good or (columns is None and array.ndim != 1):
        what = 'numbers' if columns is None else f'rows of {columns} numbers'
        raise UserError(f'{where}: {one_line(value, 60)}: not a list of finite {what}; write the file again')
    return array


def integers(value: Any, where: str, low: int, high: int) -> np.ndarray:
    """(N,) int64 from ``low`` to ``high`` - 1; whole numbers as text, as PPDM writes them, are numbers.

    Raises:
        UserError: something else; ``where`` names file and field.
    """
    try:
        ready = isinstance(value, np.ndarray) and value.dtype.kind in 'iu'
        array = value if ready else np.array([int(x) if isinstance(x, str) else x for x in value])
    except (OverflowError, TypeError, ValueError):
        array = None
    if array is None or array.ndim != 1 or (array.size and array.dtype.kind not in 'iu'):
        raise UserError(f'{where}: {one_line(value, 60)}: not a list of whole numbers; write the file again')
    array = array.astype(np.int64)
    wrong = (array < low) | (array >= high)
    if wrong.any():
        raise UserError(f'{where}: {array[wrong][0]} is none of {low} to {high - 1}; check the numbering of the file')
    return array


def index_pairs(value: list, where: str, high: int) -> np.ndarray:
    """(N, 2) int64 from 0 to ``high`` - 1, from a list of lists of two.

    Raises:
        UserError: something else; ``where`` names file and field.
    """
    if not all(isinstance(row, list) and len(row) == 2 for row in value):
        raise UserError(f'{where}: {one_line(value, 60)}: not a list of pairs; write the file again')
    return integers([end for row in value for end in row], where, 0, high).reshape(-1, 2)


def field(entry: Any, key: str, where: str) -> Any:
    """``entry[key]``.

    Raises:
        UserError: no mapping, or no such key.
    """
    if not isinstance(entry, Mapping) or key not in entry:
        raise UserError(f'{where}.{key}: missing; see docs/relation_evaluator.md for the format')
    return entry[key]


def listed(entry: Any, key: str, where: str) -> list:
    """``entry[key]``, a list.

    Raises:
        UserError: no such list.
    """
    value = field(entry, key, where)
    if not isinstance(value, list):
        raise UserError(
            f'{where}.{key}: {one_line(value, 60)}: not a list; see docs/relation_evaluator.md for the format'
        )
    return value


def result(boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray, triplets: Any, triplet_scores) -> RelationResult:
    """A :class:`RelationResult` of the types that the figures expect; scores of relations stay float64."""
    return RelationResult(
        np.asarray(boxes, np.float64).reshape(-1, 4),
        np.asarray(labels, np.int64).reshape(-1),
        np.asarray(scores, np.float64).reshape(-1),
        np.asarray(triplets, np.int64).reshape(-1, 3),
        np.asarray(triplet_scores, np.float64).reshape(-1),
    )


class ImageIndex:
    """Position of each image of the truth, by the name of its file or by its id."""

    def __init__(self, images: Sequence[RelationImage]) -> None:
        self.by_name: dict[str, int] = {}
        self.by_id: dict[str, int] = {}
        self.twice: set[str] = set()
        for position, image in enumerate(images):
            self.by_id[str(image.img_id)] = position
            for name in {image.file_name, Path(image.file_name).name, Path(image.file_name).stem} - {''}:
                if self.by_name.setdefault(name, position) != position:
                    self.twice.add(name)

    def of_name(self, name: Any, where: str) -> int:
        """The position of the image with this file name; folders and the ending may differ.

        Raises:
            UserError: no such image, or several.
        """
        text = str(name)
        for key in (text, Path(text).name, Path(text).stem):
            if key in self.by_name:
                if key in self.twice:
                    raise UserError(
                        f'{where}: {one_line(key)}: stands for several images of the truth; give the folders'
                    )
                return self.by_name[key]
        raise UserError(
            f'{where}: {one_line(name)}: no such image in the truth; evaluate on the split that was predicted'
        )

    def of_id(self, number: Any, where: str) -> int:
        """The position of the image with this id.

        Raises:
            UserError: no such image.
        """
        if str(number) not in self.by_id:
            raise UserError(
                f'{where}: {one_line(number)}: no such image id in the truth; evaluate on the split that was predicted'
            )
        return self.by_id[str(number)]


def name_numbers(theirs: Sequence[str], ours: Sequence[str], where: str) -> np.ndarray:
    """(N,) int64: for each of their names the label of ours; spaces and underscores are one.

    Raises:
        UserError: a name that the truth has not.
    """
    labels = {name.replace('_', ' '): label for label, name in enumerate(ours)}
    missing = [name for name in theirs if str(name).replace('_', ' ') not in labels]
    if missing:
        raise UserError(
            f'{where}: {one_line(missing[0])}: {len(missing)} of {len(theirs)} names are not in the truth; use the '
            'annotations that the model was trained for'
        )
    return np.array([labels[str(name).replace('_', ' ')] for name in theirs], np.int64)
