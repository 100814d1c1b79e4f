"""Train, val and test of a data set; where one is missing it is made, always the same way, and said."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from detplug.data.formats.annotation_set import ALL, TEST, TRAIN, VAL, AnnotationSet, Split
from detplug.data.formats.formats import read_set
from detplug.data.prepare import coco_text
from detplug.data.records import ImageRecord, one_line
from detplug.errors import ImageError, UserError
from detplug.images.reading import check_whole
from detplug.images.slides import SUFFIXES
from detplug.images.sources import TIFFS

VAL_SHARE = 0.2  # of the training images, where there is no val


@dataclass
class RecipeData:
    """What a recipe needs to know of the data.

    Attributes:
        form: name of the format.
        classes, unknown: names that are learned, in label order, and that are not.
        splits: train, val and test; a split may stand for two of them.
        notes: lines for the screen: what was made up.
        anomalies: lines ``KIND: FILE: details`` of what the files had and was left out or read in another way.
    """

    source: Path
    form: str
    classes: tuple[str, ...]
    unknown: tuple[str, ...]
    splits: dict[str, Split]
    notes: list[str] = field(default_factory=list)
    anomalies: list[str] = field(default_factory=list)

    @property
    def largest_side(self) -> int:
        """px, of all images."""
        return max(max(record.width, record.height) for split in self.splits.values() for record in split.records)

    @property
    def most_objects(self) -> int:
        """Of one image."""
        return max(len(record.objects) for split in self.splits.values() for record in split.records)

    def describe(self) -> str:
        """One line: format, images of each split, classes."""
        counts = ', '.join(f'{len(split.records)} {name}' for name, split in self.splits.items())
        unknown = f'; unknown: {", ".join(self.unknown)}' if self.unknown else ''
        return f'{self.form}: {counts}; {len(self.classes)} classes: {one_line(", ".join(self.classes), 400)}{unknown}'


def read_data(
    source: str | Path, images: str | Path | None = None, unknown: Sequence[str] = (), form: str | None = None
) -> RecipeData:
    """Read a data set in any known format and complete its splits.

    Args:
        images: folder of the images, where they are not near the annotations.
        unknown: names of classes that are not learned.
        form: name of the format; by default detected.

    Raises:
        UserError: not readable, images that are not there, a name of ``unknown`` that no class has, nothing to learn.
    """
    form, found = read_set(source, form, images)
    learned, kept_apart = _classes(found, unknown, source)
    splits = {split.name: split for split in found.splits if split.records}
    anomalies = list(found.anomalies)
    splits = {name: _readable(split, source, anomalies) for name, split in splits.items()}
    notes = _kinds(anomalies)
    data = RecipeData(Path(source), form, learned, kept_apart, _complete(splits, source, notes), notes, anomalies)
    objects = Counter(item.name for record in data.splits[TRAIN].records for item in record.objects)
    without = [name for name in learned if not objects[name]]
    if len(without) == len(learned):
        raise UserError(f'{source}: train: no object of any class that is learned; check the labels and --unknown')
    data.notes += [f'class {one_line(name)}: no object in train' for name in without]
    return data


def _kinds(anomalies: Sequence[str]) -> list[str]:
    """A line for each kind of ``KIND: FILE: details``: how many, and the first."""
    first: dict[str, str] = {}
    for line in anomalies:
        kind, _, details = line.partition(': ')
        first.setdefault(kind, details)
    counts = Counter(line.partition(': ')[0] for line in anomalies)
    return [f'{kind}: {counts[kind]}, the first {one_line(details)}' for kind, details in first.items()]


def _classes(
    found: AnnotationSet, unknown: Sequence[str], source: str | Path
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(classes that are learned, classes that are not), each in the order of the source."""
    for name in unknown:
        if name not in found.names:
            raise UserError(f'--unknown {one_line(name)}: {source} has no such class; one of '
                            f'{one_line(", ".join(found.names), 400)}')  # fmt: skip
    learned = tuple(name for name in found.names if name not in unknown)
    if not learned:
        raise UserError(f'--unknown: names every class of {source}; leave at least one to be learned')
    return learned, tuple(name for name in found.names if name in unknown)


def _readable(split: Split, source: str | Path, anomalies: list[str]) -> Split:
    """The split without images that cannot be read, before a training finds out; they are added to ``anomalies``.

    Raises:
        UserError: images that are not there, or none that can be read; it names the first and counts them.
    """
    missing = [record for record in split.records if split.path(record) is None]
    if missing:
        first = one_line(missing[0].file_name)
        raise UserError(
            f'{source}: {split.name}: {first}: image not found, {len(missing)} of {len(split.records)} are not; '
            'give their folder with --images'
        )
    broken = {id(record): reason for record in split.records if (reason := _broken(split.path(record)))}
    if broken and len(broken) == len(split.records):
        raise UserError(f'{source}: {split.name}: {len(broken)} of {len(split.records)} images cannot be read: '
                        f'{next(iter(broken.values()))}; `detplug inspect {source}` lists all')  # fmt: skip
    anomalies += [f'image left out with its labels: {reason}' for reason in broken.values()]
    return replace(split, records=[record for record in split.records if id(record) not in broken])


def _broken(path: Path) -> str | None:
    """Why an image file cannot be read; None where it can. Not of slides and stacks, which are read in parts."""
    try:
        if path.suffix.lower() not in TIFFS | SUFFIXES:
            check_whole(path)
    except ImageError as error:
        return str(error)
    return None


def _complete(splits: dict[str, Split], source: str | Path, notes: list[str]) -> dict[str, Split]:
    """``splits`` as train, val and test.

    Raises:
        UserError: a split of another name, or no images to learn from.
    """
    splits = dict(splits)
    if set(splits) == {ALL}:
        splits = {TRAIN: Split(TRAIN, splits[ALL].records, splits[ALL].folder)}
    others = sorted(splits.keys() - {TRAIN, VAL, TEST})
    if others or TRAIN not in splits:
        wrong = f'{", ".join(others)}: no split that a training has' if others else 'train: missing'
        raise UserError(f'{source}: {wrong}; name the splits train, val (or valid) and test')
    if VAL not in splits:
        train = splits[TRAIN]
        kept, held = hold_out(train.records)
        if not kept:
            raise UserError(f'{source}: train: one image, and none for val; add more')
        splits |= {TRAIN: Split(TRAIN, kept, train.folder), VAL: Split(VAL, held, train.folder)}
        notes.append(
            f'val: missing, made of {len(held)} of the {len(train.records)} training images, the same each time'
        )
    if TEST not in splits:
        splits[TEST] = splits[VAL]
        notes.append('test: missing, val stands for it; its figures chose best.pth, so they flatter')
    return {name: splits[name] for name in (TRAIN, VAL, TEST)}


def hold_out(records: Sequence[ImageRecord]) -> tuple[list[ImageRecord], list[ImageRecord]]:
    """(the others, a fifth of ``records``, at least one): those whose file names have the smallest hashes.

    Depends on the names alone, so an image that is added later moves few others.
    """
    order = sorted(records, key=lambda record: hashlib.sha256(record.file_name.encode(errors='replace')).digest())
    count = max(1, round(VAL_SHARE * len(records)))
    held = {id(record) for record in order[:count]}
    return ([x for x in records if id(x) not in held], [x for x in records if id(x) in held])


def write_annotations(data: RecipeData, folder: Path) -> None:
    """``folder``/train.json, val.json and test.json in COCO's format, with every name; images stay where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, split in data.splits.items():
        records, key = [], 0
        for number, record in enumerate(split.records, start=1):
            objects = []
            for item in record.objects:
                key += 1
                objects.append(type(item)(item.name, item.box, key, item.area, item.ignored))
            records.append(ImageRecord(number, record.file_name, record.width, record.height, objects))
        text = coco_text([*data.classes, *data.unknown], records)
        (folder / f'{name}.json').write_text(text, encoding='utf-8')
