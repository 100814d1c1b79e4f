"""HICO-DET as PPDM and QPIC distribute it: {trainval,test}_hico.json, a list of images with boxes and relations.

Boxes are xyxy and 0-based already. Classes of boxes are COCO's ids 1..90, verbs count from 1 to 117; either may be a
text with a line break. The files name neither classes nor sizes: names come from hico_list_hoi.txt or a .mat file of
the download, sizes from the pictures, or from the extent of the boxes where there is no picture.
"""

from pathlib import Path
from typing import Any

from PIL import Image

from detplug.data.coco_file import read_json
from detplug.data.records import finite_number, one_line
from detplug.errors import UserError

from ..relations import RelationImage, RelationNames, RelationSet, relation_image
from .coco_names import IDS, NAMES
from .distinct_objects import DistinctObjects
from .hico_mat import image_number

FILES = {'train': 'trainval_hico.json', 'test': 'test_hico.json'}


def read_annotations(path: Path, names: RelationNames, pictures: Path) -> RelationSet:
    """One split. A relation with an id out of range is skipped and listed.

    Args:
        pictures: folder of the images of this split.

    Raises:
        UserError: not that file.
    """
    content = read_json(path)
    if not isinstance(content, list) or not content:
        raise UserError(f'{path}: not a list of images with annotations and hoi_annotation; get the file again')
    words = {name.replace('_', ' '): label for label, name in enumerate(names.objects)}
    label_of = {number: words[name] for number, name in zip(IDS, NAMES, strict=True) if name in words}
    data = RelationSet(names, [])
    for i, entry in enumerate(content):
        data.images.append(_image(entry, f'{path}: [{i}]', label_of, data, pictures))
    return data


def _image(entry: Any, where: str, label_of: dict[int, int], data: RelationSet, pictures: Path) -> RelationImage:
    name, boxes, relations = (
        entry.get(key) if isinstance(entry, dict) else None for key in ('file_name', 'annotations', 'hoi_annotation')
    )
    if not isinstance(name, str) or not name or not all(isinstance(each, list) for each in (boxes, relations)):
        raise UserError(f'{where}: needs file_name, annotations and hoi_annotation; get the file again')
    objects = DistinctObjects()
    indices = [_add(item, objects, label_of) for item in boxes]
    lines = [f'box skipped: {one_line(name)}: annotations[{i}]' for i, index in enumerate(indices) if index is None]
    rows = []
    for i, item in enumerate(relations):
        row = _relation(item, indices, len(data.names.predicates))
        rows += [] if row is None else [row]
        lines += [] if row else [f'relation with an id out of range skipped: {one_line(name)}: [{i}] {one_line(item)}']
    size = _size(pictures / name)
    if size is None:
        lines.append(f'size not known: {one_line(name)}: the extent of its boxes is taken')
        size = objects.extent()
    data.anomalies += lines
    return relation_image(image_number(name), name, size, objects.boxes, objects.labels, rows)


def _add(item: Any, objects: DistinctObjects, label_of: dict[int, int]) -> int | None:
    """Index of the object, None where the box or its class is not valid."""
    box, label = (item.get('bbox'), label_of.get(whole(item.get('category_id')))) if isinstance(item, dict) else (0, 0)
    numbers = [finite_number(x) for x in box] if isinstance(box, list) else []
    return None if label is None or len(numbers) != 4 or None in numbers else objects.add(numbers, label)


def _relation(item: Any, indices: list[int | None], verbs: int) -> tuple[int, int, int] | None:
    keys = ('subject_id', 'object_id', 'category_id')
    subject, thing, verb = (whole(item.get(key)) for key in keys) if isinstance(item, dict) else (None, None, None)
    if verb is None or not 1 <= verb <= verbs:
        return None
    ends = [indices[at] if at is not None and 0 <= at < len(indices) else None for at in (subject, thing)]
    return None if None in ends else (ends[0], ends[1], verb - 1)


def whole(value: Any) -> int | None:
    """A whole number, also from a text such as ``'73\\n'``; None for anything else."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _size(path: Path) -> tuple[int, int] | None:
    if not path.is_file():
        return None
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError):  # the check of the pictures lists it
        return None
