"""HICO-DET as parallel lists of pairs: instances_{train,test}2015.json of the hicodet tools.

Boxes are xyxy and 1-based; they become 0-based (minus 1). The ids in ``correspondence`` (class, object, verb) count
from 0. Those in the lists of an image do so in the published files; files made by others may count from 1 there: the
table tells which.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from detplug.data.coco_file import read_json
from detplug.data.records import finite_number, one_line
from detplug.errors import UserError

from ..relations import RelationImage, RelationNames, RelationSet, relation_image
from .distinct_objects import DistinctObjects
from .hico_mat import image_number
from .hico_names import PERSON, hico_names

FILES = {'train': 'instances_train2015.json', 'test': 'instances_test2015.json'}
LISTS = ('boxes_h', 'boxes_o', 'hoi', 'object', 'verb')


def read_pair_lists(path: Path) -> RelationSet:
    """One split. A pair whose class, object and verb do not agree with the table is skipped and listed.

    Raises:
        UserError: not that file.
    """
    content = read_json(path)
    names = _names(content, path)
    images = _parallel(content, ('annotation', 'filenames', 'size'), path)
    classes = np.array(content['correspondence'], np.int64)
    pairs = [_parallel(entry, LISTS, f'{path}: annotation[{i}]') for i, (entry, _, _) in enumerate(images)]
    base = _base([row[2:] for rows in pairs for row in rows], classes, path)
    data = RelationSet(names, [])
    for rows, (_, name, size) in zip(pairs, images, strict=True):
        if not isinstance(name, str) or not _is_size(size):
            raise UserError(
                f'{path}: filenames, size: {one_line(name)}, {one_line(size)}: not a name and [width, height]'
            )
        data.images.append(_image(rows, name, size, classes, base, data))
    return data


def _names(content: Any, path) -> RelationNames:
    """Names from ``correspondence``, which must agree with the lists of objects and verbs."""
    try:
        objects, verbs = content['objects'], content['verbs']
        rows = [(int(number), objects[thing], verbs[verb]) for number, thing, verb in content['correspondence']]
        numbered = [row[0] for row in rows] == list(range(len(rows)))
        rare = np.isin(np.arange(len(rows)), content['rare']) if 'rare' in content else None
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(f'{path}: correspondence: not a table of objects and verbs ({one_line(error)})') from None
    names = hico_names([row[1:] for row in rows], path)
    if not numbered or [*names.objects, *names.predicates] != [*objects, *verbs]:
        raise UserError(f'{path}: correspondence: does not fit objects and verbs; get the file again')
    return replace(names, rare=rare)


def _parallel(entry: Any, keys: tuple[str, ...], where) -> list[tuple]:
    """Rows of lists of equal length."""
    lists = [entry.get(key) if isinstance(entry, dict) else None for key in keys]
    if not all(isinstance(values, list) for values in lists) or len({len(values) for values in lists}) > 1:
        raise UserError(f'{where}: {", ".join(keys)}: not lists of equal length; get the file again')
    return list(zip(*lists, strict=True))


def _base(ids: list[tuple], classes: np.ndarray, path) -> int:
    """Where the ids in the lists begin: 0 or 1, whichever agrees with more rows of the table."""
    flat = [value for row in ids for value in row]
    if any(isinstance(value, bool) or not isinstance(value, int) or abs(value) > 1e6 for value in flat):
        raise UserError(f'{path}: hoi, object, verb: not whole numbers; get the file again')
    table = np.array(ids, np.int64).reshape(-1, 3)
    return max((0, 1), key=lambda base: _agree(table - base, classes).sum())


def _agree(rows: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(P,) bool: (class, object, verb), counted from 0, is a row of the table."""
    number = rows[:, 0]
    inside = (number >= 0) & (number < len(classes))
    return inside & (classes[np.where(inside, number, 0)] == rows).all(1)


def _image(rows, name: str, size: list[int], classes: np.ndarray, base: int, data: RelationSet) -> RelationImage:
    names, objects, relations = data.names, DistinctObjects(), []
    agree = _agree(np.array([row[2:] for row in rows], np.int64).reshape(-1, 3) - base, classes)
    for i, (person, thing, number, label, verb) in enumerate(rows):
        boxes = [_box(person), _box(thing)]
        if None in boxes or not agree[i]:
            ids = f'{one_line(name)}: pair {i}: hoi {number}, object {label}, verb {verb}'
            kind = 'pair with a broken box skipped' if None in boxes else 'pair against the table of classes skipped'
            data.anomalies.append(f'{kind}: {ids}')
            continue
        subject = objects.add(boxes[0], names.objects.index(PERSON))
        relations.append((subject, objects.add(boxes[1], label - base), verb - base))
    width, height = size
    return relation_image(image_number(name), name, (width, height), objects.boxes, objects.labels, relations)


def _box(box: Any) -> tuple[float, ...] | None:
    numbers = [finite_number(x) for x in box] if isinstance(box, list) else []
    return tuple(x - 1 for x in numbers) if len(numbers) == 4 and None not in numbers else None


def _is_size(size: Any) -> bool:
    return isinstance(size, list) and len(size) == 2 and all(type(x) is int and x > 0 for x in size)
