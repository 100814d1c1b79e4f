"""What is truly in the pictures: objects of a COCO json, or counts of a csv.

A picture of the results is the image whose file name ends its path, as with ``predict --annotations``.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detplug.data.coco_file import read_coco
from detplug.data.records import ImageRecord
from detplug.errors import UserError, one_line
from detplug.runtime.results import by_end, file_of

from .grouping import read_rows


@dataclass(frozen=True)
class Objects:
    """Annotated objects: ``names`` of the file's classes; ``images`` file name -> record."""

    source: str
    names: tuple[str, ...]
    images: dict[str, ImageRecord]

    def of(self, name: str) -> ImageRecord:
        """The record of a picture of the results.

        Raises:
            UserError: the annotations have no such image.
        """
        key = by_end(name, self.images) or by_end(file_of(name), self.images)
        if key is None:
            raise UserError(f'{self.source}: --truth: has no image {one_line(name)}; predict its images alone')
        return self.images[key]

    def boxes(self, name: str, class_name: str) -> tuple[np.ndarray, np.ndarray]:
        """(G, 4) xyxy px of the objects of a class in a picture, and (G,) bool which of them are ignored."""
        objects = [item for item in self.of(name).objects if item.name == class_name]
        boxes = np.array([item.box for item in objects], np.float64).reshape(-1, 4)
        return boxes, np.array([item.ignored for item in objects], bool)


def read_objects(path: str) -> Objects:
    """The objects of a COCO json.

    Raises:
        UserError: as :func:`detplug.data.coco_file.read_coco`.
    """
    names, records, _ = read_coco(path)
    return Objects(path, tuple(names), {record.file_name.removeprefix('./'): record for record in records})


def true_counts(
    path: str, pictures: Iterable[str], group: Callable[[str], str], by: str, names: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Group -> class -> true number of objects, of a COCO json, or of a csv with the columns ``by``, class, count.

    Raises:
        UserError: a picture or group without truth, a count that is no whole number, a class that is not in ``names``.
    """
    if Path(path).suffix.lower() != '.csv':
        return _of_objects(read_objects(path), pictures, group)
    groups = dict.fromkeys(map(group, pictures))
    counts: dict[str, dict[str, int]] = {}
    for number, row in read_rows(path, (by, 'class', 'count'), '--truth'):
        if not row['count'].isdecimal():
            raise UserError(f'{path}: line {number}: count: {one_line(row["count"])} is not a whole number from 0 on')
        if row['class'] not in names:
            raise UserError(
                f'{path}: line {number}: class: {one_line(row["class"])} is none of the detector ({", ".join(names)})'
            )
        of_group = counts.setdefault(row[by], {})
        if row['class'] in of_group:
            raise UserError(f'{path}: line {number}: {one_line(row[by])}, {row["class"]}: is counted twice')
        of_group[row['class']] = int(row['count'])
    missing = [name for name in groups if name not in counts]
    if missing:
        raise UserError(f'{path}: --truth: has no line for {by} {one_line(missing[0])}; add it, with count 0 for none')
    return {name: counts[name] for name in groups}


def _of_objects(objects: Objects, pictures: Iterable[str], group: Callable[[str], str]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for name in pictures:
        of_group = counts.setdefault(group(name), {})
        for item in objects.of(name).objects:
            if not item.ignored:
                of_group[item.name] = of_group.get(item.name, 0) + 1
    return counts
