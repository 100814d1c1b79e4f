"""From the tables of all shards to what a person opens: predictions.json, a json of each plugin's table, errors."""

import json
import os
from pathlib import Path
from typing import Any, TextIO

from detplug.runtime.result_field import ResultField
from detplug.runtime.run_folder import RunFolder
from detplug.runtime.shard import Counts, table_path
from detplug.runtime.tables import part_of, read_table, rows_of, write_table

BOX = ('x', 'y', 'width', 'height')


def counts_of(run: RunFolder, numbers: list[int]) -> Counts:
    """What came of finished shards."""
    total = Counts()
    for number in numbers:
        images = read_table(table_path(run.out, 'images', number))
        errors = images['error']
        total += Counts(len(errors), sum(x is not None for x in errors), sum(images['boxes']))
    return total


def write_errors(run: RunFolder) -> list[dict[str, Any]]:
    """errors.parquet: file_name and error of every picture that could not be used; returns the first ten rows."""
    rows = []
    for number in run.shards:
        images = read_table(table_path(run.out, 'images', number))
        rows += [(n, e) for n, e in zip(images['file_name'], images['error'], strict=True) if e is not None]
    if rows:
        names, errors = zip(*rows, strict=True)
        write_table(run.out / 'errors.parquet', dict(file_name=list(names), error=list(errors)))
    return [dict(file_name=name, error=error) for name, error in rows[:10]]


def write_predictions(run: RunFolder, fields: dict[str, ResultField]) -> dict[str, int]:
    """predictions.json (COCO's result format) and NAME.json of each field with a table, row by row.

    A box: image_id, file_name, category_id, category_name, bbox (x, y, width, height; pixels of the original image),
    score, and the columns of plugins. Positions of detections in a field's table become positions in predictions.json.

    Returns:
        rows of each file by its name.
    """
    tables = {name: field for name, field in fields.items() if field.table}
    rows = dict.fromkeys(['predictions', *tables], 0)
    writers = {name: JsonList(run.out / f'{name}.json') for name in rows}
    first: dict[Any, int] = {}
    for number in run.shards:
        first.clear()
        for row in rows_of(table_path(run.out, 'part', number)):
            first.setdefault(row['file_name'], rows['predictions'])
            writers['predictions'].add(coco_row(row))
            rows['predictions'] += 1
        for name, field in tables.items():
            for row in rows_of(table_path(run.out, name, number)):
                start = first[row['file_name']]
                refers = {key: None if row[key] is None else start + row[key] for key in field.refers}
                writers[name].add(row | refers)
                rows[name] += 1
    for writer in writers.values():
        writer.close()
    return rows


def coco_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of part-*.parquet as predictions.json has it."""
    known = ('image_id', 'file_name', 'category_id', 'category_name')
    more = {key: value for key, value in row.items() if key not in (*known, *BOX, 'box', 'score')}
    bbox = [round(row[key], 2) for key in BOX]
    return {key: row[key] for key in known} | dict(bbox=bbox, score=round(row['score'], 5)) | more


class JsonList:
    """A json file of one list, written item by item; it appears when it is closed."""

    def __init__(self, path: Path) -> None:
        self.path, self.part = path, part_of(path)
        self.file: TextIO = open(self.part, 'w', encoding='utf-8')
        self.file.write('[')
        self.between = '\n '

    def add(self, row: dict[str, Any]) -> None:
        """One more item."""
        self.file.write(self.between + json.dumps(row))
        self.between = ',\n '

    def close(self) -> None:
        """End the list, sync, rename."""
        self.file.write('\n]\n')
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self.part, self.path)
