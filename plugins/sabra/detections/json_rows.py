"""Detections in json: our predictions.json, and COCO's result form, which names images and classes by ids."""

from pathlib import Path

import msgspec
import numpy as np

from detplug.data.coco_file import read_json
from detplug.errors import UserError, one_line

from .table import DetectionTable, check_values, make_table

Key = int | str


class Row(msgspec.Struct, gc=False):
    """One detection; ``bbox`` x, y, width, height in px."""

    bbox: tuple[float, float, float, float]
    score: float
    file_name: str | None = None
    image_id: Key | None = None
    category_name: str | None = None
    category_id: Key | None = None


def read_rows(path: str | Path, annotations: str | Path | None = None) -> tuple[DetectionTable, bool]:
    """The table of a json list, and whether its images are ids of the data set (text) in place of file names.

    Args:
        annotations: COCO json whose ``images`` and ``categories`` the ids are of.

    Raises:
        UserError: not such a list, or ids that nothing explains.
    """
    rows = _decode(path)
    files, classes = ({}, {}) if annotations is None else _ids(annotations)
    by_name = all(row.file_name for row in rows)
    if not by_name and any(row.image_id is None for row in rows):
        row = next(i for i, row in enumerate(rows) if row.image_id is None)
        raise UserError(f'{path}: [{row}]: has neither file_name nor image_id; give each row one of them')
    if not by_name and annotations is not None:
        images = [_known(files, row.image_id, f'{path}: [{i}].image_id', annotations) for i, row in enumerate(rows)]
    else:
        images = [row.file_name if by_name else str(row.image_id) for row in rows]
    names = [_class_of(row, classes, f'{path}: [{i}]', annotations) for i, row in enumerate(rows)]
    boxes = np.array([row.bbox for row in rows], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    scores = np.array([row.score for row in rows], np.float64)
    check_values(boxes, scores, lambda row: f'{path}: [{row}]')
    return make_table(images, names, boxes, scores), not by_name and annotations is None


def _decode(path: str | Path) -> list[Row]:
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=list[Row])
    except (OSError, RecursionError):
        read_json(path)  # says which
        raise UserError(f'{path}: not readable; get the file again') from None
    except msgspec.ValidationError as error:
        raise UserError(
            f'{path}: {one_line(error, 100)}; a row has bbox (4 numbers: x, y, width, height), score, file_name or '
            'image_id, category_name or category_id'
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f'{path}: not readable as json ({one_line(error, 100)}); write numbers, no NaN') from None


def _ids(path: str | Path) -> tuple[dict[Key, str], dict[Key, str]]:
    """image id -> file name, category id -> name."""
    content = read_json(path)
    try:
        files = {entry['id']: str(entry['file_name']) for entry in content['images']}
        return files, {entry['id']: str(entry['name']) for entry in content['categories']}
    except (KeyError, TypeError):
        raise UserError(
            f'{path}: annotations: not a COCO json with images and categories; give that of the ids'
        ) from None


def _known(table: dict[Key, str], key: Key | None, where: str, source: str | Path) -> str:
    if key not in table:
        raise UserError(f'{where}: {one_line(key)} is not in {source}; give the annotations that the ids are of')
    return table[key]


def _class_of(row: Row, classes: dict[Key, str], where: str, annotations: str | Path | None) -> str:
    if row.category_name:
        return row.category_name
    if row.category_id is None:
        raise UserError(f'{where}: has neither category_name nor category_id; give each row one of them')
    if annotations is None:
        raise UserError(
            f'{where}.category_id: {one_line(row.category_id)}: give the COCO json of the ids, annotations=FILE '
            '(predict: --annotations FILE)'
        )
    return _known(classes, row.category_id, f'{where}.category_id', annotations)
