"""The project's file of relations: COCO json with ``predicates`` and ``relations``. docs/own_relations.md describes it.

Any content gives a set or one UserError that names the file, the field and the cure. Every box is kept as it stands,
also one without area or over the edge, because relations point at boxes and official denominators count them; what is
odd is listed in ``anomalies``. A crowd (``iscrowd``) is an object whose relations nobody annotated unless it is the
subject of a relation.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from detplug.data.coco_file import read_coco, read_json
from detplug.data.missing_sizes import fill_sizes
from detplug.data.records import ImageRecord, one_line
from detplug.errors import UserError

from ..relations import NO_OBJECT, RelationImage, RelationSet, relation_image
from .anomalies import list_anomalies
from .relation_names import brief, entries_of, is_id, names_content, read_names

ANNOTATED = 'relations_annotated'  # key of an annotation; false: what it does as a subject is not annotated


class ObjectIndex(NamedTuple):
    """An annotation's image id, index among the objects of that image, and ``relations_annotated``."""

    image: Any
    index: int
    annotated: bool


def read_relations(path: str | Path, images: str | Path | None = None) -> RelationSet:
    """The set of one file; object classes, predicates and images in the order of the file.

    Args:
        images: folder of the pictures, which give the sizes that the file lacks.

    Raises:
        UserError: missing or broken file, a field of the wrong type, an unknown or repeated id, a relation across
            images, a relation whose subject has ``relations_annotated: false``.
    """
    return read_with_crowds(path, images)[0]


def read_with_crowds(path: str | Path, images: str | Path | None = None) -> tuple[RelationSet, list[np.ndarray]]:
    """:func:`read_relations`, and for each image (N,) bool: the box is a crowd or marked ``ignore``.

    Args:
        images: folder of the pictures, which give the sizes that the file lacks.
    """
    objects, records, anomalies = read_coco(path)
    anomalies += fill_sizes(records, images, path)
    content = read_json(path)
    names, predicates = read_names(content, objects, path)
    label_of = {name: label for label, name in enumerate(objects)}
    by_id = _objects_by_id(content['annotations'], path)
    rows = _relations(content, by_id, {record.img_id: [] for record in records}, predicates, path)
    unannotated = {(entry.image, entry.index) for entry in by_id.values() if not entry.annotated}
    data, crowds = RelationSet(names, [], anomalies), []
    for record in records:
        crowds.append(np.array([item.ignored for item in record.objects], bool))
        annotated = np.array([(record.img_id, i) not in unannotated for i in range(len(record.objects))], bool)
        annotated &= ~_idle(crowds[-1], rows[record.img_id])
        data.images.append(_image(record, label_of, rows[record.img_id], annotated))
        anomalies += _crowd_lines(record)
    anomalies += list_anomalies(data, [[item.key for item in record.objects] for record in records])
    return data, crowds


def write_relations(data: RelationSet) -> str:
    """Json text from which :func:`read_relations` gives the same set (its anomalies are found anew).

    Annotations are numbered from 1. An image without file name gets its id as a name, since a file needs one.
    """
    images, annotations, relations = [], [], []
    for image in data.images:
        name = image.file_name or str(image.img_id)
        images.append(dict(id=image.img_id, file_name=name, width=image.width, height=image.height))
        first = len(annotations) + 1
        corners, sizes = _decimal_boxes(image.boxes)
        for i, (corner, size, label) in enumerate(zip(corners, sizes, image.labels.tolist(), strict=True)):
            item = dict(id=first + i, image_id=image.img_id, category_id=label + 1, bbox=corner + size)
            annotations.append(item | dict(area=max(size[0], 0) * max(size[1], 0), iscrowd=0))
            if not image.annotated[i]:
                annotations[-1][ANNOTATED] = False
        for subject, thing, predicate in image.relations.tolist():
            relations.append(
                dict(
                    image_id=image.img_id,
                    subject_id=first + subject,
                    object_id=None if thing == NO_OBJECT else first + thing,
                    predicate_id=predicate + 1,
                )
            )
    return json.dumps(dict(images=images, annotations=annotations, **names_content(data.names), relations=relations))


def _objects_by_id(entries: list[dict], path) -> dict[Any, ObjectIndex]:
    """Annotation id -> its object; read_coco has checked everything but ``id`` and ``relations_annotated``."""
    by_id, counts = {}, {}
    for i, entry in enumerate(entries):
        number, annotated, image = entry.get('id'), entry.get(ANNOTATED, True), entry['image_id']
        if not is_id(number):
            raise UserError(f'{path}: annotations[{i}].id: {brief(number)} is not an id; give a whole number or a text')
        if number in by_id:
            raise UserError(f'{path}: annotations[{i}].id: {brief(number)} is used twice; relations need unique ids')
        if 'judged' in entry:
            raise UserError(
                f'{path}: annotations[{i}].judged: the key is now {ANNOTATED}; rename it, or prepare the data again'
            )
        if not isinstance(annotated, bool):
            raise UserError(f'{path}: annotations[{i}].{ANNOTATED}: {brief(annotated)} is not true or false')
        by_id[number] = ObjectIndex(image, counts.get(image, 0), annotated)
        counts[image] = by_id[number].index + 1
    return by_id


def _relations(content, by_id: dict[Any, ObjectIndex], rows: dict[Any, list], predicates: dict[Any, int], path) -> dict:
    """Fill ``rows``, image id -> list of (subject, object, predicate)."""
    for i, entry in enumerate(entries_of(content, 'relations', path)):
        where = f'{path}: relations[{i}]'
        image, predicate = entry.get('image_id'), entry.get('predicate_id')
        if not is_id(image) or image not in rows:
            raise UserError(f'{where}.image_id: {brief(image)} is no id in images; give one that is')
        if not is_id(predicate) or predicate not in predicates:
            raise UserError(f'{where}.predicate_id: {brief(predicate)} is no id in predicates; give one that is')
        if 'object_id' not in entry:
            raise UserError(f'{where}.object_id: missing; write null where the object is not in the picture')
        subject = _end(entry.get('subject_id'), by_id, image, f'{where}.subject_id')
        thing = entry['object_id']
        thing = NO_OBJECT if thing is None else _end(thing, by_id, image, f'{where}.object_id').index
        if not subject.annotated:
            raise UserError(
                f'{where}.subject_id: annotation {brief(entry["subject_id"])} has {ANNOTATED} false, so nobody '
                'knows what it does; remove the relation or the flag'
            )
        rows[image].append((subject.index, thing, predicates[predicate]))
    return rows


def _end(number: Any, by_id: dict[Any, ObjectIndex], image: Any, where: str) -> ObjectIndex:
    if not is_id(number) or number not in by_id:
        raise UserError(f'{where}: {brief(number)} is no id in annotations; give one that is')
    if by_id[number].image != image:
        raise UserError(
            f'{where}: annotation {brief(number)} is in image {brief(by_id[number].image)}, the relation in image '
            f'{brief(image)}; a relation lies in one image'
        )
    return by_id[number]


def _image(record: ImageRecord, label_of: dict[str, int], rows: list, annotated: np.ndarray) -> RelationImage:
    boxes = [item.box for item in record.objects]
    labels = [label_of[item.name] for item in record.objects]
    size = (record.width, record.height)
    return relation_image(record.img_id, record.file_name, size, boxes, labels, rows, annotated)


def _idle(crowd: np.ndarray, rows: list) -> np.ndarray:
    """(N,) bool: a crowd that is the subject of nothing."""
    idle = crowd.copy()
    idle[[row[0] for row in rows]] = False
    return idle


def _crowd_lines(record: ImageRecord) -> list[str]:
    return [
        f'crowd or ignored box: {one_line(record.file_name)}: object {one_line(item.key)} ({one_line(item.name)})'
        for item in record.objects
        if item.ignored
    ]


def _decimal_boxes(boxes: np.ndarray) -> tuple[list[list[float]], list[list[float]]]:
    """(x, y) and (width, height) of float32 xyxy boxes in few decimals; x + width is x2 again in float32."""
    decimal = boxes.astype(str).astype(np.float64)  # the shortest decimal of each float32: 0.96, not 0.9599999785
    corner, end = decimal[:, :2], decimal[:, 2:]
    size = np.round(end - corner, 6)
    exact = (corner + size).astype(np.float32) == boxes[:, 2:]
    return corner.tolist(), np.where(exact, size, end - corner).tolist()
