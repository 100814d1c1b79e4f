"""Visual Genome as Scene-Graph-Benchmark has it: VG-SGG-with-attri.h5, its dictionaries and image_data.json beside.

The h5 file holds all images: ``split`` (I,) 0 training, 2 test; ``img_to_first_box`` and ``img_to_last_box`` (I,), the
same for ``rel``, -1 where an image has none; ``boxes_1024`` (B, 4) centre and size in px of a picture whose longer side
is 1,024; ``labels`` (B, 1) and ``predicates`` (R, 1) from 1; ``relationships`` (R, 2) boxes, counted through the file.
The dictionaries give the names, image_data.json ids and sizes: an entry an image, but for four broken pictures.

As in Scene-Graph-Benchmark, images without a box or without a relation are left out. Its training also leaves out the
first 5,000 images, to validate on; here the split 'train' has them. Reading needs h5py.
"""

from pathlib import Path
from typing import Any

import numpy as np

from detplug.data.coco_file import read_json
from detplug.errors import UserError

from ..relations import RelationNames, RelationSet, relation_image
from .fields import field, floats, integers

NAMES = ('VG-SGG-dicts-with-attri.json', 'VG-SGG-dicts.json')
IMAGES = 'image_data.json'
BROKEN = (1592, 1722, 4616, 4617)  # ids of the pictures that the h5 file does not have
SPLITS = {'train': 0, 'test': 2}
LONGER = 1024  # px, of the pictures that the boxes lie in
BOXES, RUNS = f'boxes_{LONGER}', tuple(f'img_to_{end}_{of}' for of in ('box', 'rel') for end in ('first', 'last'))
COLUMNS = ('split', 'labels', BOXES, 'relationships', 'predicates', *RUNS)


def read_vg_h5(path: Path, split: str = 'test') -> RelationSet:
    """The images of a split that have relations.

    Raises:
        UserError: a file or a field is missing or broken.
    """
    names, pictures = _names(path), _pictures(path.with_name(IMAGES))
    columns = _columns(path, len(names.objects), len(names.predicates))
    if len(columns['split']) != len(pictures):
        raise UserError(
            f'{path}: split: {len(columns["split"])} images, but {IMAGES} has {len(pictures)}; get files of one release'
        )
    data = RelationSet(names, [])
    first_box, last_box, first_rel, last_rel = (columns[name] for name in RUNS)
    for row in np.flatnonzero((columns['split'] == SPLITS[split]) & (first_box >= 0) & (first_rel >= 0)):
        number, width, height = pictures[row]
        first, last = first_box[row], last_box[row] + 1
        relations = slice(first_rel[row], last_rel[row] + 1)
        ends = columns['relationships'][relations] - first
        if ((ends < 0) | (ends >= last - first)).any():
            raise UserError(f'{path}: relationships: image {number} has one to a box of another image; get it again')
        centre, size = columns[BOXES][first:last, :2], columns[BOXES][first:last, 2:]
        boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1) / LONGER * max(width, height)
        triplets = np.column_stack([ends, columns['predicates'][relations] - 1])
        labels = columns['labels'][first:last] - 1
        data.images.append(relation_image(number, f'{number}.jpg', (width, height), boxes, labels, triplets))
    if not data.images:
        raise UserError(f'{path}: no image of the split {split} has relations; get the file again')
    return data


def _names(path: Path) -> RelationNames:
    paths = [path.with_name(name) for name in NAMES if path.with_name(name).is_file()]
    if not paths:
        raise UserError(f'{path.with_name(NAMES[0])}: not found; copy it there: {path.name} has numbers alone')
    content = read_json(paths[0])
    return RelationNames(*(_listed_names(content, key, paths[0]) for key in ('idx_to_label', 'idx_to_predicate')))


def _listed_names(content: Any, key: str, path: Path) -> tuple[str, ...]:
    names = field(content, key, str(path))
    numbers = {str(k) for k in range(1, len(names) + 1)} if isinstance(names, dict) else None
    if not numbers or names.keys() != numbers or not all(isinstance(x, str) for x in names.values()):
        raise UserError(f'{path}: {key}: not names of the numbers 1, 2, 3, ...; get the file again')
    return tuple(names[str(k)] for k in range(1, len(names) + 1))


def _pictures(path: Path) -> list[tuple[int, int, int]]:
    """Id, width and height of each image that the h5 file has."""
    if not path.is_file():
        raise UserError(f'{path}: not found; copy it there: the h5 file has no sizes of images')
    entries = read_json(path)
    if not isinstance(entries, list):
        raise UserError(f'{path}: not a list of images; get the file again')
    columns = [
        integers([field(x, key, f'{path}[{i}]') for i, x in enumerate(entries)], f'{path}: {key}', 1, 2**31)
        for key in ('image_id', 'width', 'height')
    ]
    return [row for row in zip(*(column.tolist() for column in columns), strict=True) if row[0] not in BROKEN]


def _columns(path: Path, classes: int, predicates: int) -> dict[str, np.ndarray]:
    """The data sets of the h5 file, checked; labels and predicates from 1."""
    import h5py  # late: other readers do without

    try:
        with h5py.File(path, 'r') as file:
            missing = [name for name in COLUMNS if name not in file]
            columns = {} if missing else {name: np.asarray(file[name]) for name in COLUMNS}
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f'{path}: not an HDF5 file that can be read ({error}); get the file again') from error
    if missing:
        raise UserError(f'{path}: {missing[0]}: missing; give VG-SGG-with-attri.h5')
    return _checked(columns, path, classes, predicates)


def _checked(columns: dict[str, np.ndarray], path: Path, classes: int, predicates: int) -> dict[str, np.ndarray]:
    columns[BOXES] = floats(columns[BOXES], f'{path}: {BOXES}', 4)
    boxes, relations = len(columns[BOXES]), len(columns['relationships'])
    if columns['relationships'].shape != (relations, 2):
        raise UserError(f'{path}: relationships: not rows of subject and object; get the file again')
    for name, high in (('labels', classes), ('predicates', predicates)):
        columns[name] = integers(columns[name].ravel(), f'{path}: {name}', 1, high + 1)
    ends = integers(columns['relationships'].ravel(), f'{path}: relationships', 0, boxes)
    columns['relationships'] = ends.reshape(-1, 2)
    for name in RUNS:
        high = boxes if name.endswith('box') else relations
        columns[name] = integers(columns[name].ravel(), f'{path}: {name}', -1, high)
    columns['split'] = integers(columns['split'].ravel(), f'{path}: split', 0, 3)
    rows = dict(labels=boxes, predicates=relations) | dict.fromkeys(RUNS, len(columns['split']))
    for name, wanted in rows.items():
        if len(columns[name]) != wanted:
            raise UserError(f'{path}: {name}: {len(columns[name])} rows in place of {wanted}; get the file again')
    return columns
