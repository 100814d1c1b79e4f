"""The lines of a CSV table in UTF-8 whose columns are known."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from detplug.errors import UserError, one_line

Line = tuple[int, dict[str, str]]


def csv_lines(path: str | Path, columns: Sequence[str], kind: str) -> list[Line]:
    """Number and fields of each line of a table that has exactly these columns, in any order.

    A line of too many fields has the key None, one of too few a value None.

    Args:
        kind: what the table holds, for the message.

    Raises:
        UserError: no such file, no table, or other columns.
    """
    try:
        reader = csv.DictReader(io.StringIO(Path(path).read_text(encoding='utf-8-sig'), newline=''), strict=True)
        lines = [(reader.line_num, row) for row in reader]
        header = reader.fieldnames or []
    except FileNotFoundError:
        raise UserError(f'{path}: not found; give the path of the {kind}') from None
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f'{path}: not readable as a table ({one_line(error)}); save it as CSV in UTF-8') from None
    if sorted(header) != sorted(columns):
        raise UserError(f'{path}: columns: {one_line(",".join(header))}; these are needed: {",".join(columns)}')
    return lines
