"""What is odd in the truth of a set: everything is kept, everything is listed.

Official denominators count repeated relations and relations of an object with itself, and an index must keep its
meaning; so nothing is dropped, clipped or merged here.

Letters: N objects and R relations of all images together.
"""

from collections.abc import Sequence

import numpy as np

from detplug.data.records import ROUNDING, one_line

from ..relations import NO_OBJECT, RelationImage, RelationNames, RelationSet


def list_anomalies(data: RelationSet, keys: Sequence[Sequence] | None = None) -> list[str]:
    """Lines ``KIND: FILE NAME: details`` for boxes and relations, by kind.

    Args:
        keys: for each image, the names of its objects in messages (annotation ids); by default 0, 1, ...
    """
    keys = [range(len(image.boxes)) for image in data.images] if keys is None else keys
    return _box_lines(data, keys) + _relation_lines(data, keys)


def degenerate_boxes(boxes: np.ndarray) -> np.ndarray:
    """(N,) bool: the box (xyxy) has no area."""
    return (boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1])


def relation_table(data: RelationSet) -> np.ndarray:
    """(R, 4) int64: image (place in the set), subject, object, predicate; indices stay those of their image."""
    counts = [len(image.relations) for image in data.images]
    rows = np.concatenate([*(image.relations for image in data.images), np.zeros((0, 3), np.int64)])
    return np.column_stack([np.repeat(np.arange(len(counts)), counts), rows])


def _box_lines(data: RelationSet, keys: Sequence[Sequence]) -> list[str]:
    positions = [(image, i) for image in range(len(data.images)) for i in range(len(data.images[image].boxes))]
    if not positions:
        return []
    boxes = np.concatenate([image.boxes for image in data.images])
    sizes = np.array([(data.images[image].width, data.images[image].height) for image, _ in positions])
    bad = degenerate_boxes(boxes)
    overhang = np.maximum(-boxes[:, :2], boxes[:, 2:] - sizes).max(1)
    outside = ~bad & ((boxes[:, 2:] <= 0) | (boxes[:, :2] >= sizes)).any(1)
    over = ~bad & ~outside & (overhang > ROUNDING)
    kinds = (
        (bad, 'degenerate box kept'),
        (outside, 'box outside the image kept'),
        (over, 'box over the edge kept'),
    )
    return [
        _box_line(kind, data.images[positions[at][0]], positions[at][1], keys[positions[at][0]], data.names)
        for flags, kind in kinds
        for at in np.flatnonzero(flags)
    ]


def _relation_lines(data: RelationSet, keys: Sequence[Sequence]) -> list[str]:
    rows, counts = np.unique(relation_table(data), axis=0, return_counts=True)
    kinds = (
        (counts > 1, 'repeated relation kept'),
        (rows[:, 1] == rows[:, 2], 'self relation kept'),
        (_not_listed(rows, data), 'not in triplets'),
    )
    lines = []
    for flags, kind in kinds:
        for row, times in zip(rows[flags].tolist(), counts[flags].tolist(), strict=True):
            shown = _show(row, data.names, keys[row[0]]) + (f': {times} times' if times > 1 else '')
            lines.append(f'{kind}: {_of(data.images[row[0]])}: {shown}')
    return lines


def _not_listed(rows: np.ndarray, data: RelationSet) -> np.ndarray:
    """(R,) bool: class of the object and predicate are no triplet of the data set; a missing object has no class."""
    if data.names.triplets is None:
        return np.zeros(len(rows), bool)
    known = np.zeros((len(data.names.objects), len(data.names.predicates)), bool)
    known[data.names.triplets[:, 0], data.names.triplets[:, 1]] = True
    first = np.cumsum([0, *(len(image.labels) for image in data.images)])
    labels = np.concatenate([*(image.labels for image in data.images), np.zeros(1, np.int64)])
    missing = rows[:, 2] == NO_OBJECT
    return ~known[labels[first[rows[:, 0]] + np.where(missing, 0, rows[:, 2])], rows[:, 3]] & ~missing


def _box_line(kind: str, image: RelationImage, at: int, keys: Sequence, names: RelationNames) -> str:
    shown = ', '.join(f'{x:g}' for x in image.boxes[at])
    of = f'{_of(image)}: object {one_line(keys[at])} ({one_line(names.objects[image.labels[at]])})'
    return f'{kind}: {of}: ({shown}) in {image.width}x{image.height}'


def _show(row: list[int], names: RelationNames, keys: Sequence) -> str:
    _, subject, thing, predicate = row
    shown = 'nothing in the picture' if thing == NO_OBJECT else one_line(keys[thing])
    return f'{one_line(keys[subject])} {one_line(names.predicates[predicate])} {shown}'


def _of(image: RelationImage) -> str:
    return one_line(image.file_name or image.img_id)
