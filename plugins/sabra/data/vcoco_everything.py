"""V-COCO as text, everything_{train,val,test}.txt: all that COCO and V-COCO say of each image, without COCO's own json.

A block an image::

    # 0
    000000106497.jpg
    640 429
    6                                       number of boxes
    40 431.77 0.46 504.81 168.73            class 1..80, x1 y1 x2 y2
    ...
    3                                       number of relations
    1 1 0.96 1.07 352.05 145.36 42 163.17 50.30 231.19 116.43     predicate 1..29, person, object
    15 1 0.96 1.07 352.05 145.36 0 0.00 0.00 0.00 0.00            object not in the picture

A blank line ends it. A person without any action has no row, so the text alone does not tell whether V-COCO annotated
it; the official json beside does in most images.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from detplug.data.records import finite_number, one_line
from detplug.errors import UserError

from ..relations import NO_OBJECT, RelationImage, RelationSet, relation_image
from .vcoco_names import PERSON, VCOCO, annotated_objects

Lines = Iterator[tuple[int, list[str]]]  # number of the line, its words


def read_everything(path: Path, annotated: dict[int, int] | None = None) -> RelationSet:
    """One split. Every line with a box is one object; of two equal boxes a relation means the first.

    Args:
        annotated: COCO image id -> number of persons that V-COCO annotated there (the official json has it): tells
            which persons without an action were annotated, wherever none or all of an image were. Elsewhere, and
            without it, they count as not annotated (``annotated`` False) with a line in the anomalies.

    Raises:
        UserError: missing file, or a line that is not of this format.
    """
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, ValueError) as error:
        raise UserError(f'{path}: not readable as text ({one_line(error)}); get the file again') from None
    lines = ((number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip())
    data = RelationSet(VCOCO, [])
    for number, words in lines:
        try:
            if words[0] != '#':
                raise ValueError(f'{one_line(" ".join(words), 40)}, a line with # begins an image')
            data.images.append(_image(lines, annotated, data.anomalies))
        except (StopIteration, ValueError) as error:
            reason = one_line(error) or 'the file ends too early'
            raise UserError(f'{path}: image of line {number}: {reason}; get the file again') from None
    return data


def _image(lines: Lines, annotated: dict[int, int] | None, anomalies: list[str]) -> RelationImage:
    name = ' '.join(next(lines)[1])
    width, height = _whole(next(lines)[1], 2)
    if min(width, height) < 1:
        raise ValueError(f'size {width} {height} is not a size in px')
    objects = [_object(next(lines)[1]) for _ in range(_whole(next(lines)[1], 1)[0])]
    index_of = {thing: i for i, thing in reversed(list(enumerate(objects)))}
    rows = [_row(next(lines)[1], index_of) for _ in range(_whole(next(lines)[1], 1)[0])]
    labels = [thing[0] for thing in objects]
    stem = Path(name).stem.rpartition('_')[2]
    if not stem.isdecimal():
        raise ValueError(f'{one_line(name)} does not end in the number of a COCO image')
    active = {row[0] for row in rows}
    idle = [i for i, label in enumerate(labels) if label == PERSON and i not in active]
    extra = 0 if annotated is None else annotated.get(int(stem), len(active)) - len(active)
    if extra not in (0, len(idle)):
        anomalies.append(
            f'annotated persons without an action not told apart: {one_line(name)}: {extra} of {len(idle)}, all taken '
            'as not annotated'
        )
    known = annotated_objects(labels, active | set(idle if extra == len(idle) else ()))
    return relation_image(int(stem), name, (width, height), [thing[1:] for thing in objects], labels, rows, known)


def _object(words: list[str]) -> tuple[int, float, float, float, float]:
    """(label, x1, y1, x2, y2)."""
    numbers = [finite_number(float(word)) for word in words]
    if len(numbers) != 5 or None in numbers or numbers[0] not in range(1, len(VCOCO.objects) + 1):
        raise ValueError(f'{one_line(" ".join(words), 60)} is not class 1..{len(VCOCO.objects)} and a box')
    return int(numbers[0]) - 1, *numbers[1:]


def _row(words: list[str], index_of: dict[tuple, int]) -> tuple[int, int, int]:
    """(subject, object, predicate)."""
    predicate = _whole(words[:1], 1)[0] - 1
    person, missing = _object(words[1:6]), not np.any([float(word) for word in words[6:]])
    if len(words) != 11 or not 0 <= predicate < len(VCOCO.predicates) or person[0] != PERSON:
        raise ValueError(f'{one_line(" ".join(words), 60)} is not a predicate 1..29, a person and an object')
    thing = None if missing else _object(words[6:])
    if person not in index_of or (not missing and thing not in index_of):
        raise ValueError(f'{one_line(" ".join(words), 60)} has a box that is not in the list of the image')
    return index_of[person], NO_OBJECT if missing else index_of[thing], predicate


def _whole(words: list[str], count: int) -> list[int]:
    if len(words) != count or not all(word.isdecimal() for word in words):
        raise ValueError(f'{one_line(" ".join(words), 40)} is not {count} whole numbers')
    return [int(word) for word in words]
