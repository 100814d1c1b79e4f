"""Random data sets, the same for one seed: names of many kinds, subfolders, empty images, small and large boxes."""

from pathlib import Path

import cv2
import numpy as np

from detplug.data.formats.annotation_set import AnnotationSet, Split
from detplug.data.records import ImageRecord, ObjectRecord

NAMES = ('red cell', 'Würmer', 'a&b<c>"d\'', '0', 'yes', 'null', '卵', 'x: y', 'a,b', 'background', '#1', '~', '1e3')


def random_set(folder: Path, seed: int) -> AnnotationSet:
    """A data set whose images lie below ``folder``; sides of boxes are above 1 px, boxes lie inside."""
    rng = np.random.default_rng(seed)
    names = [str(name) for name in rng.permutation(NAMES)[: rng.integers(1, 6)]]
    splits = []
    for split in ('train', 'val', 'test', 'all')[: rng.integers(1, 4)] if seed % 7 else ('all',):
        records = []
        for number in range(rng.integers(1, 4)):
            name = f'{"sub dir/" if rng.random() < 0.3 else ""}{split} {number}+é.{rng.choice(["png", "jpg"])}'
            width, height = (int(side) for side in rng.integers(8, 300, 2))
            record = ImageRecord(name, name, width, height)
            for key in range(int(rng.integers(0, 5))):
                record.objects.append(ObjectRecord(str(rng.choice(names)), random_box(rng, width, height), key))
            records.append(record)
            path = folder / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.zeros((height, width), np.uint8))
        splits.append(Split(split, records, folder / split))
    return AnnotationSet(names, splits)


def random_box(rng: np.random.Generator, width: int, height: int) -> tuple[float, float, float, float]:
    """xyxy px; whole numbers in half of the cases, sides of 1.05 px and more."""
    x, y = (np.sort(rng.uniform(0, side, 2)) for side in (width, height))
    if rng.random() < 0.5:
        x, y = np.round(x), np.round(y)
    if x[1] - x[0] < 1.05 or y[1] - y[0] < 1.05:
        return 1.0, 1.0, 4.5, 3.25
    return float(x[0]), float(y[0]), float(x[1]), float(y[1])


def difference(first: AnnotationSet, second: AnnotationSet) -> float:
    """Largest distance of a coordinate (px) of two sets; AssertionError where anything else differs."""
    assert sorted(first.names) == sorted(second.names), (first.names, second.names)
    splits = {split.name: split for split in second.splits}
    assert {split.name for split in first.splits} == set(splits)
    worst = 0.0
    for split in first.splits:
        records = {record.file_name: record for record in splits[split.name].records}
        assert {record.file_name for record in split.records} == set(records)
        for record in split.records:
            other = records[record.file_name]
            assert (record.width, record.height) == (other.width, other.height)
            assert [item.name for item in record.objects] == [item.name for item in other.objects]
            for a, b in zip(record.objects, other.objects, strict=True):
                worst = max(worst, *(abs(x - y) for x, y in zip(a.box, b.box, strict=True)))
    return worst
