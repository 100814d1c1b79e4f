"""Predictions of V-COCO in the form of its script: a pickled list of detections, as iCAN, QPIC, UPT and PViC write it.

A detection is a dict: ``image_id``, ``person_box`` xyxy, ACTION_agent: score, ACTION_ROLE: x1, y1, x2, y2, score. A
role box of zeros or NaN is a role that is not in the picture.

A pickle can run code. This reader builds lists, dicts, numbers, texts and numpy arrays, and refuses anything else; a
class named CacheTemplate (UPT, PViC) is read as the dict that it is. Two things are not as in the script: a key that a
detection lacks predicts nothing (the script stops, or a CacheTemplate gives score 0, which ranks last), and an action
with roles takes the best score of its roles as that of its agent.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from detplug.errors import UserError, one_line

from ..data.vcoco_names import PREDICATES
from ..relations import NO_OBJECT, RelationResult, RelationSet
from .fields import ImageIndex, field, floats, result

# predicate -> key of a detection
ROLES = {name: name.replace(' ', '_') if ' ' in name else f'{name}_agent' for name in PREDICATES}
SAFE = {
    ('numpy', 'dtype'),
    ('numpy', 'ndarray'),
    ('numpy.core.multiarray', '_reconstruct'),
    ('numpy.core.multiarray', 'scalar'),
    ('numpy._core.multiarray', '_reconstruct'),
    ('numpy._core.multiarray', 'scalar'),
    ('_codecs', 'encode'),
}


class Cache(dict):
    """Instead of CacheTemplate, a defaultdict."""

    def __init__(self, *_: Any) -> None:
        super().__init__()


class SafeUnpickler(pickle.Unpickler):
    """Builds plain values and numpy arrays alone."""

    def find_class(self, module: str, name: str) -> Any:
        """The class or function, where it can do no harm."""
        if name == 'CacheTemplate':
            return Cache
        if (module, name) not in SAFE:
            raise pickle.UnpicklingError(f'{module}.{name} is not loaded from a file')
        return super().find_class(module.replace('numpy.core', 'numpy._core'), name)


def read_vcoco(path: Path, data: RelationSet) -> dict[int, RelationResult]:
    """Position of an image in ``data`` -> its predictions.

    Raises:
        UserError: not such a file, a field is missing or wrong, an image that the truth has not.
    """
    try:
        with open(path, 'rb') as file:
            content = SafeUnpickler(file, encoding='latin1').load()
    except Exception as error:  # broken bytes raise many types
        raise UserError(f'{path}: not readable as a pickled list ({one_line(error)}); write it again') from None
    if not isinstance(content, list):
        raise UserError(f"{path}: not a list of detections; give the file that V-COCO's script evaluates")
    if tuple(data.names.predicates) != PREDICATES:
        raise UserError(f"{path}: the truth has not V-COCO's {len(PREDICATES)} predicates; give annotations of V-COCO")
    index, by_image = ImageIndex(data.images), {}
    for i, detection in enumerate(content):
        where = f'{path}[{i}]'
        position = index.of_id(_plain(field(detection, 'image_id', where)), f'{where}.image_id')
        by_image.setdefault(position, []).append((where, detection))
    person = data.names.objects.index('person')
    return {position: _image(detections, person) for position, detections in by_image.items()}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, (np.ndarray, np.generic)) and np.size(value) == 1 else value


def _role(value: Any, where: str) -> np.ndarray:
    """(5,) box, which may be NaN, and score."""
    try:
        values = np.asarray(value, np.float64)
    except (OverflowError, TypeError, ValueError):
        values = np.zeros(0)
    if values.shape != (5,):
        raise UserError(f'{where}: not x1, y1, x2, y2, score; write the file again')
    return values


def _image(detections: list[tuple[str, dict]], person: int) -> RelationResult:
    boxes, labels, rows, scores = [], [], [], []
    for where, detection in detections:
        subject = len(boxes)
        boxes.append(floats([field(detection, 'person_box', where)], f'{where}.person_box', 4)[0])
        labels.append(person)
        for predicate, name in enumerate(PREDICATES):
            key = ROLES[name]
            if key not in detection:
                continue
            if ' ' not in name:
                rows.append((subject, NO_OBJECT, predicate))
                scores += floats([_plain(detection[key])], f'{where}.{key}').tolist()
                continue
            values = _role(detection[key], f'{where}.{key}')
            target = NO_OBJECT
            if not np.isnan(values[:4]).any() and values[:4].any():
                target = len(boxes)
                boxes.append(floats([values[:4]], f'{where}.{key}', 4)[0])
                labels.append(person)  # the script knows no class of an object
            rows.append((subject, target, predicate))
            scores += floats([values[4]], f'{where}.{key}').tolist()
    return result(np.array(boxes), labels, np.ones(len(boxes)), rows, scores)
