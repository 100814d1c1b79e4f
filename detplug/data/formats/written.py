"""What a format writes: texts, links to images, and what it cannot say."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from detplug.data.formats.annotation_set import AnnotationSet, Split
from detplug.data.prepare import inside, link_images
from detplug.data.records import ImageRecord, ObjectRecord, clean_boxes, one_line
from detplug.errors import UserError


@dataclass
class Written:
    """``texts``: relative path -> content; ``links``: relative path -> image file; ``anomalies``: what was lost."""

    texts: dict[str, str] = field(default_factory=dict)
    links: dict[str, Path] = field(default_factory=dict)
    anomalies: list[str] = field(default_factory=list)

    def link(self, split: Split, target: str) -> None:
        """The images of a split that are there, in ``target``; file names may not lead out of it."""
        for record in split.records:
            inside(target, record.file_name, f'{split.name}: ')
        links = {} if split.folder is None else link_images(split.records, split.folder, target)
        self.links |= links
        missing = len(split.records) - len(links)
        if missing:
            self.anomalies.append(f'images not found: {split.name}: {missing} of {len(split.records)}; put them there')


def check_xml_names(annotations: AnnotationSet, what: str) -> None:
    """Refuse class names that xml changes or cannot hold.

    Raises:
        UserError: spaces at the ends, or characters that are not printable.
    """
    for name in annotations.names:
        if name != name.strip() or not name.isprintable():
            raise UserError(f'class {one_line(repr(name))}: {what} cannot hold this name; give --rename OLD=NEW')


def numbered(objects: Sequence[ObjectRecord], split: Split, before: int) -> list[ObjectRecord]:
    """The objects with the keys ``before`` + 1, ...: numbers that are used once in a split."""
    return [replace(item, key=before + i) for i, item in enumerate(objects, start=1)]


def cleaned(annotations: AnnotationSet, out: Written, flags: bool = False) -> AnnotationSet:
    """The set with boxes that lie in their images and have an area, each change listed in ``out``.

    Args:
        flags: the format can say that an object is to be ignored; where not, such objects are left out.
    """
    splits = []
    for split in annotations.splits:
        records = []
        for record in split.records:
            kept, odd = clean_boxes(record)
            out.anomalies += odd
            if not flags:
                out.anomalies += [_ignored(record, item) for item in kept if item.ignored]
                kept = [item for item in kept if not item.ignored]
            records.append(replace(record, objects=kept))
        splits.append(Split(split.name, records, split.folder))
    return AnnotationSet(annotations.names, splits)


def _ignored(record: ImageRecord, item: ObjectRecord) -> str:
    where = f'{one_line(record.file_name)}: object {one_line(item.key)} ({one_line(item.name)})'
    return f'ignored object dropped, the format has no such flag: {where}'
