"""What is wrong, or worth a glance, in a data set: each kind with its examples.

SPOILS: a training on it would be worth nothing, or would not start; LOOK_AT: a person should judge.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from detplug.data.anomalies import UNUSABLE
from detplug.data.box_fit import TINY, box_fit
from detplug.data.formats.annotation_set import TRAIN, AnnotationSet
from detplug.data.prepare import check_image
from detplug.data.records import ImageRecord, clean_boxes, duplicate_boxes, one_line

from .near_duplicates import DuplicatePair
from .statistics import ImageStatistics

SPOILS, LOOK_AT = 'spoils', 'look at'
GIANT = 0.9  # of the image's area
RARE, IMBALANCED = 10, 100  # objects of a class in training; times as many of the most frequent class
FAR = 6.0  # robust standard deviations from the median that make an outlier
MOST_UNUSABLE = 0.01  # of the boxes
FEWEST = 20  # images from which on outliers are looked for
SWELL = 1.4826  # median absolute deviation -> standard deviation of a normal distribution


@dataclass(frozen=True)
class Finding:
    """One kind of fault.

    Attributes:
        kind: in words. severity: SPOILS or LOOK_AT. cure: what to do.
        items: one line for each, such as the images of a pair.
        images: (split, file name) pairs to show, of the first items.
    """

    kind: str
    severity: str
    cure: str
    items: Sequence[str]
    images: Sequence[Sequence[tuple[str, str]]] = field(default_factory=list)


Key = tuple[str, str]  # split, file name


def of_names(found: AnnotationSet) -> list[Finding]:
    """Classes: names that differ in case or spaces alone, without objects, missing in training, rare, imbalanced."""
    counts = {split.name: Counter(x.name for r in split.records for x in r.objects if not x.ignored)
              for split in found.splits}  # fmt: skip
    total = sum(counts.values(), Counter())
    alike: dict[str, list[str]] = {}
    for name in found.names:
        alike.setdefault(''.join(name.split()).casefold().replace('_', '').replace('-', ''), []).append(name)
    train = counts.get(TRAIN, total)
    most = max(train.values(), default=0)
    findings = [
        Finding('class names that are nearly the same', SPOILS, 'give each class one name',
                [', '.join(map(repr, names)) for names in alike.values() if len(names) > 1]),
        Finding('no object in training', SPOILS, 'annotate training images', [] if train else ['no box at all']),
        Finding('class without an object in training', SPOILS, 'move images into training, or leave the class out',
                [f'{name}: {total[name]} in other splits' for name in found.names if total[name] and not train[name]]),
        Finding('class without any object', LOOK_AT, 'leave the class out, or annotate it',
                [name for name in found.names if not total[name]]),
        Finding('class with few objects in training', LOOK_AT, 'annotate more; its figures will be chance',
                [f'{name}: {train[name]}' for name in found.names if 0 < train[name] < RARE]),
        Finding('class far behind the most frequent one', LOOK_AT, 'sample images with it more often',
                [f'{name}: {train[name]} of {most}' for name in found.names if 0 < train[name] * IMBALANCED < most]),
    ]  # fmt: skip
    return findings


def of_boxes(found: AnnotationSet, scale: tuple[int, int]) -> list[Finding]:
    """Boxes: outside, degenerate, doubled, tiny at the network's input ``scale`` (width, height px), giant."""
    unusable, clipped, doubled, tiny, giant = ([] for _ in range(5))
    boxes = 0
    for key, record in _records(found):
        if record.width is None or record.height is None:
            continue
        boxes += len(record.objects)
        kept, odd = clean_boxes(record)
        for line in odd:
            (unusable if line.startswith(UNUSABLE) else clipped).append((line, key))
        doubled += [(line, key) for line in duplicate_boxes(record)]
        factor = min(scale[0] / record.width, scale[1] / record.height)
        for item in kept:
            sides = item.box[2] - item.box[0], item.box[3] - item.box[1]
            line = f'{one_line(record.file_name)}: {one_line(item.name)} {sides[0]:.1f} x {sides[1]:.1f} px'
            if min(sides) * factor < TINY:
                tiny.append((line, key))
            if sides[0] * sides[1] > GIANT * record.width * record.height:
                giant.append((line, key))
    severity = SPOILS if len(unusable) > MOST_UNUSABLE * boxes else LOOK_AT
    return [
        _listed('boxes without area in their image', severity, 'correct or remove them', unusable),
        _listed('boxes that are changed when they are read', LOOK_AT, 'correct them', clipped),
        _listed('boxes drawn twice', LOOK_AT, 'remove one of each pair', doubled),
        _listed(f'boxes with a side below {TINY} px at the network input', LOOK_AT,
                'train at a larger input, or with --tile', tiny),
        _listed(f'boxes over more than {GIANT:.0%} of their image', LOOK_AT, 'is it one object?', giant),
    ]  # fmt: skip


def of_files(found: AnnotationSet, unreadable: dict[Key, str]) -> list[Finding]:
    """Image files: missing or broken, of another size than annotated, turned by EXIF; images without annotations."""
    missing = [(f'{one_line(record.file_name)}: not found', (split.name, record.file_name))
               for split in found.splits for record in split.records if split.path(record) is None]  # fmt: skip
    broken = [(one_line(reason, 200), key) for key, reason in unreadable.items()]
    sizes, turned = [], []
    for split in found.splits:
        for record in split.records:
            key = (split.name, record.file_name)
            path = split.path(record)
            if path is None or key in unreadable or record.width is None:
                continue
            lines = [(line, key) for line in check_image(record, path)]
            sizes += [line for line in lines if line[0].startswith('wrong size')]
            turned += [line for line in lines if line[0].startswith('turned')]
    empty = [(one_line(key[1]), key) for key, record in _records(found) if not record.objects]
    images = sum(len(split.records) for split in found.splits)
    return [
        _listed('images that are not there', SPOILS, 'put them there, or give --images DIR', missing),
        _listed('images that cannot be read', SPOILS, 'get the files again, or leave them out', broken),
        _listed('images of another size than annotated', SPOILS, 'their boxes are of another picture', sizes),
        _listed('images turned by EXIF', LOOK_AT, 'look whether their boxes are', turned),
        _listed('images without any box', LOOK_AT, f'{len(empty)} of {images}: is nothing in them, or did nobody '
                'annotate them?', empty),
    ]  # fmt: skip


def of_duplicates(pairs: Sequence[DuplicatePair], keys: Sequence[Key]) -> list[Finding]:
    """Images that show the same, across splits and within one."""
    across, within = [], []
    for pair in pairs:
        first, second = keys[pair.first], keys[pair.second]
        turned = ', turned or mirrored' if pair.turned else ''
        line = (
            f'{first[0]}/{one_line(first[1])} and {second[0]}/{one_line(second[1])}: {pair.shared:.0%} of the image, '
            f'correlation {pair.correlation:.2f}{turned}'
        )
        (across if first[0] != second[0] else within).append((line, first, second))
    return [
        _listed('images that show the same in two splits', SPOILS, 'keep each pair in one split', across),
        _listed('images that show the same in one split', LOOK_AT, 'keep them in one split', within),
    ]


def of_appearance(statistics: Sequence[ImageStatistics], keys: Sequence[Key]) -> list[Finding]:
    """Images far from the median in brightness, contrast, stain or sharpness."""
    if len(statistics) < FEWEST:
        return []
    columns = {
        'brightness': [x.brightness for x in statistics],
        'contrast': [np.log(x.contrast + 1) for x in statistics],
        'stain (green to red)': [x.colour[0] for x in statistics],
        'stain (blue to yellow)': [x.colour[1] for x in statistics],
        'sharpness': [np.log(x.sharpness + 1e-3) for x in statistics],
    }
    lines = []
    for name, values in columns.items():
        distance = robust_distance(np.array(values, np.float64))
        for i in np.flatnonzero(np.abs(distance) > FAR):
            split, file = keys[i]
            lines.append((f'{split}/{one_line(file)}: {name} {distance[i]:+.1f} standard deviations', keys[i]))
    return [_listed('images that look different', LOOK_AT, 'another stain, light or focus: is it wanted?', lines)]


def robust_distance(values: np.ndarray) -> np.ndarray:
    """(N,) distances from the median in standard deviations, as the median absolute deviation gives them."""
    centre = np.median(values)
    spread = SWELL * np.median(np.abs(values - centre))
    return (values - centre) / spread if spread > 0 else np.zeros_like(values)


def size_lines(found: AnnotationSet, scale: tuple[int, int]) -> list[str]:
    """What the boxes measure at the network's input, and what would suit them better."""
    items = [
        dict(width=record.width, height=record.height, instances=[dict(bbox=x.box) for x in clean_boxes(record)[0]])
        for _, record in _records(found)
        if record.width is not None
    ]
    fit = box_fit(items, scale)
    return [fit.describe(), *fit.advice()]


def split_overlaps(found: AnnotationSet) -> Finding:
    """Files that are in two splits by their names."""
    files = {split.name: {str(split.path(r) or r.file_name): r.file_name for r in split.records if split.path(r)}
             for split in found.splits}  # fmt: skip
    lines = [
        (f'{one_line(files[a][path])}: in {a} and {b}', (a, files[a][path]))
        for a, b in combinations(files, 2)
        for path in sorted(files[a].keys() & files[b].keys())
    ]
    return _listed('files that are in two splits', SPOILS, 'keep each in one split', lines)


def _records(found: AnnotationSet) -> list[tuple[Key, ImageRecord]]:
    return [((split.name, record.file_name), record) for split in found.splits for record in split.records]


def _listed(kind: str, severity: str, cure: str, lines: Sequence[tuple]) -> Finding:
    """``lines``: (text, key of an image, ...)."""
    return Finding(kind, severity, cure, [line[0] for line in lines], [line[1:] for line in lines])
