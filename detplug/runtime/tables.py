"""Tables of results in Parquet, each written aside, synced and renamed: a file that is there is whole."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from arro3.core import Array, DataType, Table
from arro3.io import read_parquet, write_parquet

Column = np.ndarray | Sequence[Any]


def part_of(path: Path) -> Path:
    """Where this process writes a file before it gets its name."""
    return path.with_name(f'{path.name}.{os.getpid()}.part')


def write_table(path: Path, columns: Mapping[str, Column]) -> None:
    """Write columns of equal length: numpy arrays of numbers, or lists of text (None where there is none).

    Lists of other values are written as JSON text.
    """
    table = Table.from_pydict({name: _array(values) for name, values in columns.items()})
    part = part_of(path)
    write_parquet(table, str(part), compression='zstd(1)')
    with open(part, 'rb') as file:
        os.fsync(file.fileno())
    os.replace(part, path)


def read_table(path: Path) -> dict[str, list]:
    """The columns of a table as lists."""
    table = read_parquet(str(path)).read_all()
    return {name: table[name].to_pylist() for name in table.column_names}


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a table."""
    columns = read_table(path)
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def column_of(values: Sequence[Any]) -> Column:
    """JSON values as a column: numbers as float64 or int64 (None is not a number), text, everything else as JSON."""
    kinds = {type(value) for value in values}
    if kinds <= {int} or kinds <= {int, float}:
        return np.asarray(values, np.int64 if kinds == {int} else np.float64)
    if kinds <= {str, type(None)} or kinds <= {int, type(None)}:
        return list(values)
    return [json.dumps(value) for value in values]


def _array(values: Column) -> Array:
    if isinstance(values, np.ndarray):
        return Array.from_numpy(np.ascontiguousarray(values))
    kinds = {type(value) for value in values} - {type(None)}
    return Array(list(values), DataType.int64() if kinds == {int} else DataType.utf8())
