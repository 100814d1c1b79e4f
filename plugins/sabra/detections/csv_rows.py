"""Detections as a table: image,class,score,x1,y1,x2,y2 (px); a row with an empty class: nothing was found in it."""

from pathlib import Path

import numpy as np

from detplug.errors import UserError, one_line

from ..data.csv_lines import csv_lines
from .table import DetectionTable, check_values, make_table

NUMBERS = ('x1', 'y1', 'x2', 'y2', 'score')
COLUMNS = ('image', 'class', *NUMBERS)


def read_csv(path: str | Path) -> DetectionTable:
    """The table of a CSV file in UTF-8 with these columns, in any order.

    Raises:
        UserError: not such a file.
    """
    rows = csv_lines(path, COLUMNS, 'detections')
    for line, row in rows:
        if None in row or None in row.values() or not row['image'].strip():
            raise UserError(
                f'{path}: line {line}: needs {len(COLUMNS)} fields and an image; quote a field with a comma'
            )
    found = [(line, row) for line, row in rows if row['class'].strip()]
    empty = [row['image'].strip() for _, row in rows if not row['class'].strip()]
    values = np.array([[_number(row, key, path, line) for key in NUMBERS] for line, row in found]).reshape(-1, 5)
    check_values(values[:, :4], values[:, 4], lambda row: f'{path}: line {found[row][0]}')
    images, classes = ([row[key].strip() for _, row in found] for key in ('image', 'class'))
    return make_table(images, classes, values[:, :4], values[:, 4], empty)


def _number(row: dict[str, str], key: str, path: str | Path, line: int) -> float:
    try:
        return float(row[key])
    except ValueError:
        raise UserError(f'{path}: line {line}: {key}: {one_line(row[key])} is not a number; give pixels') from None
