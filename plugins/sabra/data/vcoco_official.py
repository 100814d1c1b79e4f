"""V-COCO's own files: vcoco_{train,val,test}.json, whose boxes are annotations of COCO's instances json."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from detplug.data.coco_file import read_coco, read_json
from detplug.data.missing_sizes import fill_sizes
from detplug.data.records import ImageRecord
from detplug.errors import UserError

from ..relations import NO_OBJECT, RelationImage, RelationNames, RelationSet, relation_image
from .relation_names import brief
from .vcoco_names import ACTIONS, PREDICATES, annotated_objects


class Person(NamedTuple):
    """One annotated person.

    ``relations``: (predicate, annotation id of its object, or None where the role is not in the picture).
    """

    annotation: int
    relations: list[tuple[int, int | None]]


def read_people(path: Path) -> dict[int, list[Person]]:
    """COCO image id -> annotated persons, in the order of the file; persons who do nothing are among them.

    ``role_object_id`` of N persons is stored by columns: N agents, then N first roles, then N second roles; 0 means
    that nobody annotated the role.

    Raises:
        UserError: not that file.
    """
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(action, dict) for action in content):
        raise UserError(f'{path}: not a list of actions; get the file again')
    if [action.get('action_name') for action in content] != list(ACTIONS):
        raise UserError(f'{path}: action_name: not the {len(ACTIONS)} actions of V-COCO in their order')
    people: dict[tuple[int, int], Person] = {}
    for action in content:
        for image, annotation, predicate, thing in _rows(action, path):
            person = people.setdefault((image, annotation), Person(annotation, []))
            if predicate is not None:
                person.relations.append((predicate, thing))
    images: dict[int, list[Person]] = {}
    for (image, _), person in people.items():
        images.setdefault(image, []).append(person)
    return images


def read_official(path: Path, coco: Path) -> RelationSet:
    """One split, with the boxes of ``coco``, COCO's instances json (its boxes as they are, x + width).

    Persons of an image that V-COCO did not annotate have ``annotated`` False, crowds of persons among them. The order
    of classes is that of ``coco``.

    Raises:
        UserError: a broken file, or an image or annotation of V-COCO that ``coco`` does not have.
    """
    objects, records, anomalies = read_coco(coco)
    fill_sizes(records, None, coco)
    by_id = {record.img_id: record for record in records}
    names = RelationNames(tuple(objects), PREDICATES)
    images = []
    for number, people in read_people(path).items():
        if number not in by_id:
            raise UserError(f'{coco}: images: no id {number}, which {path} has; give COCO 2014 (train and val)')
        images.append(_image(by_id[number], people, objects, f'{coco}: image {number}: annotations'))
    return RelationSet(names, images, anomalies)


def _rows(action: dict[str, Any], path) -> Iterator[tuple[int, int, int | None, int | None]]:
    """(image, annotation, predicate, object) for each person and role of the action; predicate None where not done."""
    name, where = action['action_name'], f'{path}: {action["action_name"]}'
    roles = ('agent', *ACTIONS[name])
    if action.get('role_name') != list(roles):
        raise UserError(f'{where}.role_name: {brief(action.get("role_name"))}; V-COCO has {", ".join(roles)}')
    images = _whole_numbers(action, 'image_id', where)
    annotations, labels = (_whole_numbers(action, key, where, len(images)) for key in ('ann_id', 'label'))
    things = _whole_numbers(action, 'role_object_id', where, len(images) * len(roles)).reshape(len(roles), -1).T
    predicates = [PREDICATES.index(' '.join((name, role)).strip()) for role in roles[1:] or ('',)]
    columns = things[:, 1:] if len(roles) > 1 else np.zeros((len(images), 1), np.int64)
    for image, annotation, done, row in zip(
        images.tolist(), annotations.tolist(), labels.tolist(), columns.tolist(), strict=True
    ):
        for predicate, thing in zip(predicates, row, strict=True):
            yield image, annotation, predicate if done == 1 else None, thing or None


def _whole_numbers(action: dict[str, Any], key: str, where: str, length: int | None = None) -> np.ndarray:
    values = action.get(key)
    if not isinstance(values, list) or not all(type(value) is int and abs(value) < 2**62 for value in values):
        raise UserError(f'{where}.{key}: not a list of whole numbers; get the file again')
    if length is not None and len(values) != length:
        raise UserError(f'{where}.{key}: {len(values)} numbers, {length} are needed; get the file again')
    return np.array(values, np.int64)


def _image(record: ImageRecord, people: list[Person], objects: list[str], where: str) -> RelationImage:
    index_of = {item.key: i for i, item in enumerate(record.objects)}
    used = {thing for person in people for thing in (person.annotation, *(one for _, one in person.relations))}
    missing = sorted(used - {None} - set(index_of))
    if missing:
        raise UserError(f'{where}: no id {missing[0]}, which V-COCO has; give COCO 2014 (train and val)')
    rows = [
        (index_of[person.annotation], NO_OBJECT if thing is None else index_of[thing], predicate)
        for person in people
        for predicate, thing in person.relations
    ]
    labels = [objects.index(item.name) for item in record.objects]
    annotated = annotated_objects(labels, {index_of[person.annotation] for person in people})
    boxes = [item.box for item in record.objects]
    return relation_image(
        record.img_id, record.file_name, (record.width, record.height), boxes, labels, rows, annotated
    )
