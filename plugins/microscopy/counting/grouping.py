"""Which slide, patient or folder a picture belongs to.

A file is a slide unless a table or a pattern tells slides; nothing tells patients but these. Both name pictures as
``predict`` does; a table may have the end of the path alone.
"""

import csv
import re
from collections.abc import Callable
from pathlib import PurePosixPath

from detplug.errors import UserError, one_line
from detplug.runtime.results import by_end, file_of

BY = ('slide', 'patient', 'folder', 'picture')
FILE = 'file_name'


def group_of(by: str, table: str | None = None, pattern: str | None = None) -> Callable[[str], str]:
    """Name of a picture -> name of its group.

    Args:
        by: one of :data:`BY`.
        table: csv with a column ``file_name`` and one named as ``by``.
        pattern: regular expression that is searched in the name; the group is its first group, or the whole match.

    Raises:
        UserError: options that have no effect or are missing, a table without the columns, no regular expression; of
            the function, a picture that is not in the table or does not match.
    """
    given = [option for option, value in (('--groups', table), ('--pattern', pattern)) if value is not None]
    if len(given) == 2:
        raise UserError('--groups, --pattern: both tell groups; leave one of them out')
    if given and by in ('folder', 'picture'):
        raise UserError(f'{given[0]}: has no effect with --by {by}; leave it out')
    if table is not None:
        return _by_table(table, by)
    if pattern is not None:
        return _by_pattern(pattern)
    if by == 'patient':
        raise UserError('--by patient: nothing tells patients; give --groups TABLE.csv or --pattern REGEX')
    if by == 'folder':
        return lambda name: PurePosixPath(name).parent.as_posix()
    return (lambda name: name) if by == 'picture' else file_of


def _by_table(path: str, by: str) -> Callable[[str], str]:
    groups = {}
    for number, row in read_rows(path, (FILE, by), '--groups'):
        name, group = row[FILE].replace('\\', '/').removeprefix('./'), row[by]
        if not name or not group:
            raise UserError(f'{path}: line {number}: {FILE if not name else by}: empty; fill it in')
        if groups.setdefault(name, group) != group:
            raise UserError(f'{path}: line {number}: {one_line(name)}: is in two groups; correct the table')

    def group(name: str) -> str:
        key = by_end(name, groups) or by_end(file_of(name), groups)
        if key is None:
            raise UserError(f'{path}: --groups: has no line for {one_line(name)}; add it')
        return groups[key]

    return group


def read_rows(path: str, columns: tuple[str, ...], option: str) -> list[tuple[int, dict[str, str]]]:
    """(line number, row) of a csv that has ``columns``; values are stripped.

    Raises:
        UserError: no such file, not text in UTF-8, a column is missing.
    """
    try:
        with open(path, newline='', encoding='utf-8-sig') as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f'{path}: {option}: no column {missing[0]!r}; it needs {", ".join(columns)}')
            return [
                (reader.line_num, {k: (v or '').strip() for k, v in row.items() if isinstance(k, str)})
                for row in reader
            ]
    except OSError as error:
        raise UserError(f'{path}: {option}: {error.strerror}; check the path') from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f'{path}: {option}: not a csv in UTF-8 ({one_line(error)}); save it as such') from None


def _by_pattern(pattern: str) -> Callable[[str], str]:
    try:
        rule = re.compile(pattern)
    except re.error as error:
        raise UserError(f'--pattern {pattern}: no regular expression: {error}') from None

    def group(name: str) -> str:
        match = rule.search(name)
        value = match and (match[1] if rule.groups else match[0])
        if not value:
            raise UserError(f'--pattern {pattern}: does not match {one_line(name)}; correct it')
        return value

    return group
