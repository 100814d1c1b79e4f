"""V-COCO as pair lists, instances_vcoco_{train,val,test}.json: boxes of person and object, one of 24 action-roles.

The least complete form: no actions without an object (stand, run, ...), no roles outside the picture, no other persons,
no sizes. Everybody in it was annotated, so every object is ``annotated``.
"""

from pathlib import Path
from typing import Any

import numpy as np

from detplug.data.coco_file import read_json
from detplug.data.records import finite_number, one_line
from detplug.errors import UserError

from ..relations import RelationImage, RelationNames, RelationSet, relation_image
from .distinct_objects import DistinctObjects
from .vcoco_names import VCOCO

LISTS = ('boxes_h', 'boxes_o', 'actions', 'objects')
BACKGROUND = 'background'


def read_vcoco_pairs(path: Path) -> RelationSet:
    """One split; predicates are the 24 of the file. Width and height are the extent of the boxes.

    Raises:
        UserError: not that file.
    """
    content = read_json(path)
    fields = [content.get(key) if isinstance(content, dict) else None for key in ('annotations', 'classes', 'objects')]
    if not all(isinstance(field, list) for field in fields):
        raise UserError(f'{path}: annotations, classes, objects: missing or no lists; get the file again')
    images, classes, objects = fields
    if objects != [BACKGROUND, *VCOCO.objects] or not set(map(str, classes)) < set(VCOCO.predicates):
        raise UserError(f'{path}: objects, classes: not background and the classes of COCO, or not V-COCO predicates')
    names = RelationNames(VCOCO.objects, tuple(classes))
    return RelationSet(names, [_image(entry, names, f'{path}: annotations[{i}]') for i, entry in enumerate(images)])


def _image(entry: Any, names: RelationNames, where: str) -> RelationImage:
    name, lists = (entry.get('file_name'), [entry.get(key) for key in LISTS]) if isinstance(entry, dict) else (0, [])
    stem = Path(name).stem.rpartition('_')[2] if isinstance(name, str) else ''
    if not stem.isdecimal() or not all(isinstance(values, list) for values in lists) or len(set(map(len, lists))) > 1:
        raise UserError(f'{where}: needs file_name, and {", ".join(LISTS)} of equal length; get the file again')
    objects, rows = DistinctObjects(), []
    for person, thing, action, label in zip(*lists, strict=True):
        boxes = [_box(person), _box(thing)]
        ids = [(action, len(names.predicates)), (label, len(names.objects) + 1)]
        if None in boxes or any(type(value) is not int or not 0 <= value < count for value, count in ids) or not label:
            raise UserError(f'{where}: {one_line((person, thing, action, label))}: not two boxes, action and object')
        subject = objects.add(boxes[0], names.objects.index('person'))
        rows.append((subject, objects.add(boxes[1], label - 1), action))
    return relation_image(int(stem), name, objects.extent(), objects.boxes, objects.labels, np.array(rows))


def _box(box: Any) -> tuple[float, ...] | None:
    numbers = [finite_number(x) for x in box] if isinstance(box, list) else []
    return tuple(numbers) if len(numbers) == 4 and None not in numbers else None
