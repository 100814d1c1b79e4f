"""Stanford VRD (Lu et al., ECCV 2016): annotations_{train,test}.json, objects.json, predicates.json.

A box is [ymin, ymax, xmin, xmax]. The files give no sizes: width and height are those of the picture where the download
has it, else the extent of an image's boxes, in both splits alike, and 1 where it has none. Every relation is kept,
those of an object with itself and repeated ones too: the official denominator counts them. Equal boxes of equal class
in one image are one object.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from detplug.data.coco_file import read_json
from detplug.data.prepare import Prepared
from detplug.data.records import finite_number, one_line
from detplug.errors import UserError
from detplug.images.header import read_header

from ..relations import RelationImage, RelationNames, RelationSet, relation_image
from .distinct_objects import DistinctObjects
from .prepared import find_picture, hold_out, prepare_splits

SPLITS = ('train', 'test')
LARGEST = 1e9  # px; also refuses what is not finite
FOLDERS = ('sg_train_images', 'sg_test_images', 'sg_dataset/sg_train_images', 'sg_dataset/sg_test_images', 'images')
DETECTIONS = 'detections_test_rcnn.json'
HELD_OUT = 500  # images
OFFICIAL = {
    'train images': 4000,
    'train images without relations': 220,
    'train relations': 30355,
    'test images': 1000,
    'test images without relations': 45,
    'test relations': 7638,
    'object classes': 100,
    'predicates': 70,
}


def read_vrd(src: Path) -> Prepared:
    """annotations/{train,test}.json, splits.json, the released detections, and images/ where there are pictures.

    500 of the training images are held out for decisions (splits.json, ours). Detections become rows as
    predictions.json has them.

    Raises:
        UserError: a file is missing or broken.
    """
    names = read_vrd_names(src)
    sets = {split: read_vrd_split(src / f'annotations_{split}.json', names) for split in SPLITS}
    for data in sets.values():
        data.images = [_sized(image, src) for image in data.images]
    out = prepare_splits(sets, src, FOLDERS)
    out.texts['splits.json'] = hold_out(sets['train'], HELD_OUT)
    if (src / DETECTIONS).is_file():
        out.texts[DETECTIONS] = json.dumps(_rows(vrd_detections(src / DETECTIONS), names))
    out.counts |= {'object classes': len(names.objects), 'predicates': len(names.predicates)}
    out.official = OFFICIAL
    return out


def read_vrd_names(src: Path) -> RelationNames:
    """Classes and predicates, in the order of objects.json and predicates.json.

    Raises:
        UserError: a file is missing or not a list of different names.
    """
    lists = []
    for path in (src / 'objects.json', src / 'predicates.json'):
        names = read_json(path)
        if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
            raise UserError(f'{path}: not a list of names; get the file again')
        if len(set(names)) < len(names):
            raise UserError(f'{path}: a name is listed twice; get the file again')
        lists.append(tuple(names))
    return RelationNames(*lists)


def read_vrd_split(path: Path, names: RelationNames) -> RelationSet:
    """One split; the id of an image is its file name.

    Raises:
        UserError: not that file.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise UserError(f'{path}: not an object of file name -> relations; get the file again')
    return RelationSet(
        names, [_image(name, rows, names, f'{path}: {one_line(name)}') for name, rows in content.items()]
    )


def vrd_detections(path: str | Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The detections of R-CNN that were released with the paper (detections_test_rcnn.json).

    Returns:
        file name -> (boxes (D, 4) float32 xyxy px, labels (D,) int64 in the order of objects.json, scores (D,)
        float32).

    Raises:
        UserError: not that file.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f'{path}: not an object of file name -> boxes, labels, scores; get the file again')
    out = {}
    for name, entry in content.items():
        try:
            boxes, scores = np.array(entry['boxes'], float).reshape(-1, 4), np.array(entry['scores'], float)
            if not all(_is_label(label, 2**31) for label in entry['labels']):
                raise ValueError('labels: not whole numbers from 0 on')
            labels = np.array(entry['labels'], np.int64)
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise UserError(f'{path}: {one_line(name)}: {one_line(error)}; get the file again') from None
        finite = all((np.abs(numbers) < LARGEST).all() for numbers in (boxes, scores))
        if not labels.shape == scores.shape == boxes.shape[:1] or not finite:
            raise UserError(f'{path}: {one_line(name)}: boxes, labels, scores: not of one length, or not finite')
        out[name] = boxes.astype(np.float32), labels, scores.astype(np.float32)
    return out


def _sized(image: RelationImage, src: Path) -> RelationImage:
    """The image with the size of its picture, where there is one that opens."""
    path = find_picture([src / folder for folder in FOLDERS], image.file_name)
    try:
        width, height = read_header(path).shown_size
    except UserError:
        return image
    return replace(image, width=width, height=height)


def _rows(detections: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]], names: RelationNames) -> list[dict]:
    return [
        dict(file_name=name, category_name=names.objects[label], bbox=[x1, y1, x2 - x1, y2 - y1], score=score)
        for name, arrays in detections.items()
        for (x1, y1, x2, y2), label, score in zip(*(x.tolist() for x in arrays), strict=True)
    ]


def _image(name: str, rows: Any, names: RelationNames, where: str) -> RelationImage:
    if not isinstance(rows, list) or not name:
        raise UserError(f'{where}: not a list of relations; get the file again')
    objects, relations = DistinctObjects(), []
    for i, row in enumerate(rows):
        row = row if isinstance(row, dict) else {}
        ends = [_end(row.get(key), len(names.objects)) for key in ('subject', 'object')]
        if None in ends or not _is_label(row.get('predicate'), len(names.predicates)):
            raise UserError(f'{where}: [{i}]: needs predicate, subject and object with category and bbox')
        relations.append((*(objects.add(*end) for end in ends), row['predicate']))
    return relation_image(name, name, objects.extent(), objects.boxes, objects.labels, relations)


def _end(entry: Any, classes: int) -> tuple[tuple[float, ...], int] | None:
    """(xyxy, label) of one end of a relation."""
    box, label = (entry.get('bbox'), entry.get('category')) if isinstance(entry, dict) else (None, None)
    numbers = [finite_number(x) for x in box] if isinstance(box, list) else []
    if len(numbers) != 4 or None in numbers or not _is_label(label, classes):
        return None
    top, bottom, left, right = numbers
    return (left, top, right, bottom), label


def _is_label(value: Any, count: int) -> bool:
    return type(value) is int and 0 <= value < count
