"""HICO-DET's original annotations: anno_bbox.mat with bbox_train, bbox_test and list_action.

Boxes are read by the names of their fields (the file's order is x1, x2, y1, y2) and become 0-based, as public
practice is: every number minus 1.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from detplug.data.records import one_line
from detplug.errors import UserError

from ..relations import RelationNames, RelationSet, relation_image
from .distinct_objects import DistinctObjects
from .hico_names import PERSON, hico_names

FILE = 'anno_bbox.mat'
SPLITS = {'train': 'bbox_train', 'test': 'bbox_test'}
CORNERS = ('x1', 'y1', 'x2', 'y2')


def read_mat(path: Path) -> dict[str, RelationSet]:
    """Both splits. A class marked ``invis`` (no pair) and a pair that points at no box are skipped and listed.

    Raises:
        UserError: not that file.
    """
    content = load_mat(path, [*SPLITS.values(), 'list_action'])
    names = hico_names(class_list(content, path), path)
    sets = {split: RelationSet(names, []) for split, key in SPLITS.items() if key in content}
    for split, data in sets.items():
        for i, record in enumerate(content[SPLITS[split]].ravel()):
            try:
                data.images.append(_image(record, names, data.anomalies))
            except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                raise UserError(
                    f'{path}: {SPLITS[split]}[{i}]: not as HICO-DET has it ({one_line(error)}); get the file again'
                ) from None
    return sets


def load_mat(path: Path, wanted: list[str]) -> dict[str, np.ndarray]:
    """The variables of a MATLAB file that are there.

    Raises:
        UserError: missing or broken file.
    """
    from scipy.io import loadmat  # late: other readers do without scipy

    try:
        return loadmat(path, variable_names=wanted)
    except Exception as error:  # the reader raises many types on broken bytes
        raise UserError(f'{path}: not readable as a MATLAB file ({one_line(error)}); get the file again') from None


def class_list(content: dict[str, np.ndarray], path: Path) -> list[tuple[str, str]]:
    """(object, verb) of the 600 classes from ``list_action``."""
    try:
        return [(str(_one(row['nname'])), str(_one(row['vname']))) for row in content['list_action'].ravel()]
    except (IndexError, KeyError, ValueError) as error:
        raise UserError(f'{path}: list_action: not as HICO-DET has it ({one_line(error)})') from None


def _image(record: np.void, names: RelationNames, anomalies: list[str]):
    file_name, size = str(_one(record['filename'])), record['size'].ravel()[0]
    objects, relations = DistinctObjects(), []
    for hoi in record['hoi'].ravel():
        number = int(_one(hoi['id']))
        if _one(hoi['invis']):
            anomalies.append(f'class not visible skipped: {one_line(file_name)}: class {number}')
            continue
        if not 1 <= number <= len(names.triplets):
            raise ValueError(f'class {number} of {len(names.triplets)}')
        label, verb = names.triplets[number - 1].tolist()
        people, things = _boxes(hoi['bboxhuman']), _boxes(hoi['bboxobject'])
        for person, thing in _pairs(hoi['connection']):
            if not (1 <= person <= len(people) and 1 <= thing <= len(things)):
                where = f'{one_line(file_name)}: class {number}: person {person}, object {thing}'
                anomalies.append(f'pair without box skipped: {where} of {len(people)} and {len(things)}')
                continue
            subject = objects.add(people[person - 1], names.objects.index(PERSON))
            relations.append((subject, objects.add(things[thing - 1], label), verb))
    width, height = int(_one(size['width'])), int(_one(size['height']))
    number = image_number(file_name)
    return relation_image(number, file_name, (width, height), objects.boxes, objects.labels, relations)


def image_number(name: str) -> int | str:
    """8 of ``HICO_test2015_00000008.jpg``; the name itself where it ends otherwise."""
    digits = Path(name).stem.rpartition('_')[2]
    return int(digits) if digits.isdecimal() else name


def _boxes(records: np.ndarray) -> list[tuple[float, ...]]:
    """xyxy, 0-based, of a struct array of boxes."""
    return [tuple(float(_one(record[key])) - 1 for key in CORNERS) for record in records.ravel() if records.dtype.names]


def _pairs(connection: np.ndarray) -> Iterator[tuple[int, int]]:
    """(person, object), counted from 1, of each row."""
    return ((int(person), int(thing)) for person, thing in np.asarray(connection).reshape(-1, 2))


def _one(value: np.ndarray) -> Any:
    """The only element of what MATLAB stores as an array."""
    return np.asarray(value).item()
