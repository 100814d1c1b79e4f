"""Annotations of scene graphs: PSG, Visual Genome as RelTR distributes it, OpenImages as BGNN and PySGG do."""

from pathlib import Path
from typing import Any

import numpy as np

from detplug.data.coco_file import read_coco, read_json
from detplug.data.missing_sizes import fill_sizes
from detplug.errors import UserError, one_line

from ..relations import RelationImage, RelationNames, RelationSet, relation_image
from .fields import field, floats, integers, listed

VG_RELATIONS, OI_NAMES = 'rel.json', 'categories_dict.json'


def read_psg(path: Path, split: str = 'test') -> RelationSet:
    """psg.json (OpenPSG; Yang et al., ECCV 2022): things and stuff, with the boxes of their masks.

    Images are those in ``test_image_ids`` for the split 'test', the others for 'train'. As in OpenPSG images without
    relations are left out, and a relation that is written twice counts once.

    Raises:
        UserError: not that file.
    """
    content = read_json(path)
    things, stuff, predicates = (
        listed(content, key, str(path)) for key in ('thing_classes', 'stuff_classes', 'predicate_classes')
    )
    names = RelationNames((*things, *stuff), tuple(predicates))
    test = {str(number) for number in listed(content, 'test_image_ids', str(path))}
    data = RelationSet(names, [])
    for i, entry in enumerate(listed(content, 'data', str(path))):
        where = f'{path}: data[{i}]'
        if (str(field(entry, 'image_id', where)) in test) != (split == 'test'):
            continue
        boxes = listed(entry, 'annotations', where)
        rows = listed(entry, 'relations', where)
        if rows:
            rows = [row for k, row in enumerate(rows) if row not in rows[:k]]
            corners = [field(x, 'bbox', where) for x in boxes]
            kinds = [field(x, 'category_id', where) for x in boxes]
            data.images.append(_image(entry['image_id'], entry, corners, kinds, rows, names, where))
    return _not_empty(data, path, f'images of the split {split}')


def read_reltr(path: Path) -> RelationSet:
    """train.json, val.json or test.json (COCO json) with rel.json beside, as RelTR and EGTR have Visual Genome.

    Subject and object count the annotations of an image in the order of the file; predicate 0 is the background.

    Raises:
        UserError: not those files.
    """
    objects, records, anomalies = read_coco(path)
    fill_sizes(records, None, path)
    relations_path = path.with_name(VG_RELATIONS)
    content = read_json(relations_path)
    predicates = listed(content, 'rel_categories', str(relations_path))[1:]
    rows_of = field(content, path.stem, str(relations_path))
    names = RelationNames(tuple(objects), tuple(predicates))
    data = RelationSet(names, [], anomalies)
    for record in records:
        where = f'{relations_path}: {path.stem}.{record.img_id}'
        rows = field(rows_of, str(record.img_id), f'{relations_path}: {path.stem}')
        table = _rows(rows, len(record.objects), 1, len(predicates) + 1, where)
        labels = [objects.index(item.name) for item in record.objects]
        size = (record.width, record.height)
        boxes = [item.box for item in record.objects]
        data.images.append(relation_image(record.img_id, record.file_name, size, boxes, labels, table))
    return data


def read_openimages(path: Path) -> RelationSet:
    """vrd-test-anno.json with categories_dict.json beside, as PySGG and BGNN have OpenImages V4 and V6.

    An entry has img_fn, img_size, bbox xyxy, det_labels, rel (subject, object, predicate), all counted from 0.

    Raises:
        UserError: not those files.
    """
    names_path = path.with_name(OI_NAMES)
    words = read_json(names_path)
    names = RelationNames(*(tuple(listed(words, key, str(names_path))) for key in ('obj', 'rel')))
    data = RelationSet(names, [])
    for i, entry in enumerate(read_json(path)):
        where = f'{path}[{i}]'
        size = floats(listed(entry, 'img_size', where), f'{where}.img_size').tolist()
        if len(size) != 2:
            raise UserError(f'{where}.img_size: not width and height; get the file again')
        name = f'{field(entry, "img_fn", where)}.jpg'
        entry = dict(entry, file_name=name, width=size[0], height=size[1])
        boxes, kinds = (listed(entry, key, where) for key in ('bbox', 'det_labels'))
        data.images.append(_image(name, entry, boxes, kinds, listed(entry, 'rel', where), names, where))
    return _not_empty(data, path, 'images')


def _image(
    number: Any, entry: dict, boxes: list, kinds: list, rows: list, names: RelationNames, where: str
) -> RelationImage:
    name = field(entry, 'file_name', where)
    if not isinstance(name, str):
        raise UserError(f'{where}.file_name: {one_line(name, 60)}: not a text; get the file again')
    size = [field(entry, key, where) for key in ('width', 'height')]
    width, height = floats(size, f'{where}: width, height').astype(int).tolist()
    labels = integers(kinds, f'{where}: classes', 0, len(names.objects))
    if len(labels) != len(boxes):
        raise UserError(f'{where}: {len(labels)} classes for {len(boxes)} boxes; get the file again')
    table = _rows(rows, len(boxes), 0, len(names.predicates), where)
    return relation_image(number, name, (width, height), floats(boxes, f'{where}: boxes', 4), labels, table)


def _rows(rows: Any, boxes: int, base: int, predicates: int, where: str) -> np.ndarray:
    """(R, 3) relations, predicates from 0."""
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 3 for row in rows):
        raise UserError(f'{where}: relations: {one_line(rows, 60)}: not rows of subject, object, predicate')
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    ends = [integers(column, f'{where}: relations', 0, boxes) for column in columns[:2]]
    return np.stack([*ends, integers(columns[2], f'{where}: predicates', base, predicates) - base], axis=1)


def _not_empty(data: RelationSet, path: Path, what: str) -> RelationSet:
    if not data.images:
        raise UserError(f'{path}: no {what}; get the file again')
    return data
