"""ranks.csv: the ranks of every layer with what they save, for a person to read, edit and give to a config."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from detplug.errors import UserError

LAYER, RANKS = 'layer', 'ranks'


def write_ranks(path: str | Path, rows: Iterable[Mapping]) -> None:
    """Write a table whose rows have ``layer``, ``ranks`` (such as '12 20', empty for a dense layer) and more.

    All rows have the same columns.
    """
    rows = list(rows)
    with open(path, 'w', newline='') as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [LAYER, RANKS])
        writer.writeheader()
        writer.writerows(rows)


def read_ranks(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Name of each layer that is not dense -> its ranks.

    Raises:
        UserError: no such file, a column that is missing, a value that is no list of whole numbers, a layer twice.
    """
    try:
        with open(path, newline='', encoding='utf-8') as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f'{path}: does not open as a table of ranks ({error}); give a ranks.csv') from None
    ranks: dict[str, tuple[int, ...]] = {}
    for line, row in enumerate(rows, start=2):
        if row.get(LAYER) is None or row.get(RANKS) is None:
            raise UserError(f'{path}: line {line}: columns {LAYER!r} and {RANKS!r} are needed; write them')
        try:
            layer_ranks = tuple(int(word) for word in row[RANKS].split())
        except ValueError:
            raise UserError(f'{path}: line {line}: {RANKS}: {row[RANKS]!r}; write whole numbers, as 12 20') from None
        if row[LAYER] in ranks:
            raise UserError(f'{path}: line {line}: {LAYER}: {row[LAYER]} is there twice; keep one line')
        if layer_ranks:
            ranks[row[LAYER]] = layer_ranks
    return ranks
