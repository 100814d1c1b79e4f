"""What every annotation format is read into and written from: splits of image records, with the folder of the images.

Boxes are xyxy in px of the picture as readers show it; see :mod:`detplug.data.records`.
"""

import os  # os.path.isfile says no to a name that no file can have
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from detplug.data.records import ImageRecord, one_line
from detplug.errors import ImageError, UserError
from detplug.images.header import read_header
from detplug.images.slides import SUFFIXES, is_slide
from detplug.images.sources import TIFFS
from detplug.images.tiff_pages import tiff_pages

TRAIN, VAL, TEST, ALL = 'train', 'val', 'test', 'all'
ALIASES = {'training': TRAIN, 'valid': VAL, 'validation': VAL, 'dev': VAL, 'testing': TEST}
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')


@dataclass
class Split:
    """Images of one split; ``folder`` is that of the image files, None where they were not found."""

    name: str
    records: list[ImageRecord]
    folder: Path | None

    def path(self, record: ImageRecord) -> Path | None:
        """The image file of a record, None where it is not there."""
        path = None if self.folder is None else self.folder / record.file_name
        return path if path is not None and os.path.isfile(path) else None


@dataclass
class AnnotationSet:
    """A data set in whatever format.

    Attributes:
        names: of the classes, each once, in the order of the source.
        anomalies: lines ``KIND: FILE: details`` of what was changed or left out.
    """

    names: list[str]
    splits: list[Split]
    anomalies: list[str] = field(default_factory=list)

    @property
    def records(self) -> Iterator[ImageRecord]:
        """Of all splits."""
        return (record for split in self.splits for record in split.records)


def split_name(text: str) -> str:
    """The name of a split as all formats have it: ``valid`` is val."""
    return ALIASES.get(text.lower(), text)


def check_set(annotations: AnnotationSet, source: object) -> AnnotationSet:
    """``annotations`` with one name for each class.

    Raises:
        UserError: no image, a class name that is empty or listed twice, two splits or two images of one name.
    """
    if not any(split.records for split in annotations.splits):
        raise UserError(f'{source}: no annotated image in it; give the file or folder of the annotations')
    for name in annotations.names:
        if not isinstance(name, str) or not name.strip():
            raise UserError(f'{source}: class {name!r}: no name; correct it')
    twice = []
    if len(set(annotations.names)) < len(annotations.names):  # else no name is counted: lists may be long
        twice = [name for name in annotations.names if annotations.names.count(name) > 1]
    if twice:
        raise UserError(f'{source}: class {one_line(twice[0])}: is listed twice; give each class one name')
    names = [split.name for split in annotations.splits]
    if len(set(names)) < len(names):
        raise UserError(f'{source}: splits {", ".join(names)}: two have one name; rename one')
    for split in annotations.splits:
        files = [record.file_name for record in split.records]
        if len(set(files)) < len(files):
            name = next(name for name in files if files.count(name) > 1)
            raise UserError(f'{source}: {split.name}: {one_line(name)}: is listed twice; keep one entry')
    return annotations


def begins_with_tag(path: Path, tag: str) -> bool:
    """Whether the beginning of an xml has the element ``tag``, without attributes; not where it cannot be read."""
    try:
        with open(path, 'rb') as file:
            return f'<{tag}>'.encode() in file.read(4096)
    except OSError:
        return False


def image_folder(records: list[ImageRecord], candidates: list[Path]) -> Path | None:
    """The first of ``candidates`` that has the most of the (first twenty) images; None where none has any."""
    sample = records[:20]
    counts = [sum(os.path.isfile(folder / record.file_name) for record in sample) for folder in candidates]
    return candidates[counts.index(max(counts))] if counts and max(counts) else None


def images_near(folder: Path, split: str, images: Path | None = None) -> list[Path]:
    """Where the images of a split lie: in ``images`` where it is given, else where they usually do near ``folder``."""
    if images is not None:
        return [images / split, images]
    names = ('images', 'JPEGImages', 'imgs', 'img', 'data')
    roots = (folder, folder.parent)
    of_split = {split, *(alias for alias, name in ALIASES.items() if name == split)}
    below = [root / name for root in roots for name in names]
    return [*(path / name for path in below for name in sorted(of_split)), *below, folder,
            *(root / name for root in roots for name in sorted(of_split)), folder.parent]  # fmt: skip


def images_in(folder: Path) -> list[Path]:
    """All image files below a folder, sorted."""
    return sorted(path for path in folder.rglob('*') if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def size_of(path: Path) -> tuple[int, int]:
    """(width, height) px of an image or slide as readers show it.

    Raises:
        UserError: its header cannot be read.
    """
    if path.suffix.lower() in TIFFS | SUFFIXES:
        pages = tiff_pages(path)
        if pages and is_slide(path, pages):
            return pages[0].size
    return read_header(path).shown_size


def _turned(record: ImageRecord, path: Path) -> list[str]:
    orientation = 1 if path.suffix.lower() in TIFFS | SUFFIXES else read_header(path).orientation
    name = one_line(record.file_name)
    return (
        [] if orientation == 1 else [f'turned by EXIF, look whether its boxes are: {name}: orientation {orientation}']
    )


def with_suffix(stem: str, folders: list[Path]) -> str:
    """The name of the image file ``stem`` in the first folder that has it, with its suffix; else ``stem`` itself."""
    for folder in folders:
        for suffix in ('', *IMAGE_SUFFIXES, *sorted(SUFFIXES)):
            if os.path.isfile(folder / f'{stem}{suffix}'):
                return f'{stem}{suffix}'
    return stem


def fill_missing_sizes(annotations: AnnotationSet) -> None:
    """Give records without a size that of their image; those that have none are dropped and listed.

    So are pictures that are turned by EXIF, as nothing says then whether their boxes are of the turned one.
    """
    for split in annotations.splits:
        kept = []
        for record in split.records:
            if record.width is None or record.height is None:
                path = split.path(record)
                try:
                    if path is None:
                        raise ImageError('image not found')
                    record.width, record.height = size_of(path)
                    annotations.anomalies += _turned(record, path)
                except UserError as error:
                    annotations.anomalies.append(f'image without size dropped: {one_line(record.file_name)}: {error}')
                    continue
            kept.append(record)
        split.records[:] = kept
