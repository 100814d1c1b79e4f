"""The names in a file of relations: predicates, and the triplets that exist."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from detplug.data.records import one_line
from detplug.errors import UserError

from ..relations import RelationNames


def read_names(content: dict, objects: Sequence[str], path: Any) -> tuple[RelationNames, dict[Any, int]]:
    """Names of the parsed ``content``, and predicate id -> label; labels follow the order of the file.

    Args:
        objects: names of the categories, in the order of the file.

    Raises:
        UserError: a name used twice, an id used twice or unknown, a field of the wrong type.
    """
    _refuse_twice(objects, f'{path}: categories')
    entries = entries_of(content, 'predicates', path)
    if not entries:
        raise UserError(f'{path}: predicates: empty; name at least one, {{"id": 1, "name": "hold"}}')
    names, label_of = [], {}
    for i, entry in enumerate(entries):
        name, number = entry.get('name'), entry.get('id')
        if not isinstance(name, str) or not name:
            raise UserError(f'{path}: predicates[{i}].name: {brief(name)} is not a name; give a text')
        if not is_id(number):
            raise UserError(f'{path}: predicates[{i}].id: {brief(number)} is not an id; give a whole number or a text')
        if number in label_of:
            raise UserError(f'{path}: predicates[{i}].id: {brief(number)} is used twice; number them anew')
        label_of[number] = len(names)
        names.append(name)
    _refuse_twice(names, f'{path}: predicates')
    triplets, rare = _triplets(content, label_of, path)
    return RelationNames(tuple(objects), tuple(names), triplets, rare), label_of


def names_content(names: RelationNames) -> dict[str, list[dict]]:
    """categories, predicates and triplets of a file, numbered from 1."""
    content = {
        key: [dict(id=i, name=name) for i, name in enumerate(listed, 1)]
        for key, listed in (('categories', names.objects), ('predicates', names.predicates))
    }
    if names.triplets is not None:
        rows = (names.triplets + 1).tolist()
        content['triplets'] = [dict(category_id=thing, predicate_id=predicate) for thing, predicate in rows]
        if names.rare is not None:
            for entry, rare in zip(content['triplets'], names.rare.tolist(), strict=True):
                entry['rare'] = rare
    return content


def entries_of(content: dict, key: str, path: Any) -> list[dict]:
    """The list of objects under ``key``.

    Raises:
        UserError: there is none.
    """
    entries = content.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f'{path}: {key}: missing or not a list of objects; docs/own_relations.md shows the format')
    return entries


def is_id(value: Any) -> bool:
    """An id is a whole number or a text."""
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def brief(value: Any) -> str:
    """A value of a file, for a message."""
    return one_line(repr(value), 60)


def _triplets(content: dict, predicates: dict[Any, int], path) -> tuple[np.ndarray | None, np.ndarray | None]:
    if content.get('triplets') is None:
        return None, None
    entries = entries_of(content, 'triplets', path)
    categories = {entry['id']: label for label, entry in enumerate(content['categories'])}
    if not entries:
        raise UserError(f'{path}: triplets: empty; leave the field out where any relation may exist')
    rows, rare = {}, []
    for i, entry in enumerate(entries):
        where = f'{path}: triplets[{i}]'
        row = []
        for key, known in (('category_id', categories), ('predicate_id', predicates)):
            if not is_id(entry.get(key)) or entry[key] not in known:
                raise UserError(f'{where}.{key}: {brief(entry.get(key))} is no id of the file; give one that is')
            row.append(known[entry[key]])
        if rows.setdefault(tuple(row), i) != i:
            raise UserError(f'{where}: the same as triplets[{rows[tuple(row)]}]; remove one')
        rare.append(entry.get('rare'))
        if rare[-1] is not None and not isinstance(rare[-1], bool):
            raise UserError(f'{where}.rare: {brief(rare[-1])} is not true or false')
    counted = any(flag is not None for flag in rare)
    return np.array(list(rows), np.int64), np.array([bool(flag) for flag in rare]) if counted else None


def _refuse_twice(names: Sequence[str], where: str) -> None:
    twice = [one_line(name, 40) for name, times in Counter(names).items() if times > 1]
    if twice:
        raise UserError(f'{where}: named twice: {one_line(", ".join(twice))}; labels are found by name, rename one')
