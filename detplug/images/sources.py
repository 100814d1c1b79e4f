"""What a user names on the command line as a stream of pictures: files, folders, globs, lists, videos, stacks, slides.

The stream has one order and a number for each picture, whoever reads it and however often. It is never held in memory:
while it is listed the names of one folder are, and eight bytes of each file, by which one named twice is known.
"""

import glob
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from detplug.errors import ImageError, UserError
from detplug.images import slides, video
from detplug.images.reading import read_image
from detplug.images.tiff_pages import read_page, tiff_pages
from detplug.images.window import Window

PICTURES = {'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.btf', '.webp'}
TIFFS = {'.tif', '.tiff', '.btf'}
KNOWN = PICTURES | video.SUFFIXES | slides.SUFFIXES
LIST = '.txt'
IMAGE, PAGE, FRAME, SLIDE = 'image', 'page', 'frame', 'slide'


@dataclass(frozen=True)
class Item:
    """One picture to predict.

    Attributes:
        number: its place in the stream, from 0.
        name: of the file as the user reaches it, with ``#page=2`` or ``#frame=17`` (from 0) where the file holds
            several pictures; no other item has it.
        path: the file.
        kind: image, page (of a TIFF), frame (of a video) or slide.
        index: number of the page or frame in its file, from 0.
        size: (width, height) px where the listing knows it: of pages and slides.
    """

    number: int
    name: str
    path: Path
    kind: str = IMAGE
    index: int = 0
    size: tuple[int, int] | None = None

    def read(self, window: Window | None = None, reduce: int = 1) -> np.ndarray:
        """The whole picture, (H, W, 3) uint8 BGR.

        Args:
            window: (low, high) pixel values that become 0 and 255, where there are more than 8 bit.
            reduce: 1, 2, 4 or 8: decode an image file at that part of its size.

        Raises:
            UserError: it cannot be read, or ``reduce`` with another kind than an image file.
        """
        if reduce != 1 and self.kind != IMAGE:
            raise ImageError(f'{self.name}: a {self.kind} is not read at a part of its size; leave --reduce out')
        if self.kind == PAGE:
            return read_page(self.path, self.index, window)
        if self.kind == FRAME:
            return video.frames_of(self.path).read(self.index)
        if self.kind == SLIDE:
            return self.read_region(0, 0, *slides.slide_of(self.path).size)
        return read_image(self.path, window, reduce)

    def open_slide(self) -> slides.Slide:
        """The slide, to be read by regions.

        Raises:
            UserError: as :class:`detplug.images.slides.Slide`.
        """
        return slides.slide_of(self.path)

    def read_region(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """(height, width, 3) uint8 BGR of a part of a slide; of another picture, which is read whole for it.

        Raises:
            UserError: it cannot be read.
        """
        if self.kind == SLIDE:
            return slides.slide_of(self.path).read_region(x, y, width, height)
        return np.ascontiguousarray(self.read()[y : y + height, x : x + width])

    @property
    def micrometres(self) -> tuple[float, float] | None:
        """(x, y) um a pixel of a slide that says it."""
        return slides.slide_of(self.path).micrometres if self.kind == SLIDE else None


class ItemList(Iterable[Item]):
    """The stream of :func:`list_items`; each iteration begins it anew.

    Attributes:
        skipped: reason -> [number of files, name of the first], of the last iteration as far as it went.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = [str(path) for path in paths]
        self.skipped: dict[str, list] = {}

    def __iter__(self) -> Iterator[Item]:
        self.skipped = {}
        number, seen = 0, set()
        for argument in self.paths:
            empty = True
            for path in self._files(argument):
                empty = False
                key = hashlib.blake2b(os.fsencode(os.path.normpath(path)), digest_size=8).digest()
                if key in seen:
                    self._skip('named twice', path)
                    continue
                seen.add(key)
                for item in self._pictures(path):
                    yield replace(item, number=number)
                    number += 1
            if empty:
                raise UserError(f'{argument}: no picture in it; wanted one of {", ".join(sorted(KNOWN))}')

    def freeze(self, file: str | Path) -> 'FrozenList':
        """Write the stream into ``file``, a line of json a picture, so that every process sees the same one."""
        part = Path(f'{file}.part')
        with open(part, 'w', encoding='utf-8') as out:
            for item in self:
                out.write(json.dumps(vars(item) | {'path': str(item.path)}) + '\n')
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, file)
        return FrozenList(file)

    def skipped_lines(self) -> list[str]:
        """A line for each reason why files are left out."""
        return [
            f'left out: {count} {"file" if count == 1 else "files"}, {reason} (the first is {name})'
            for reason, (count, name) in self.skipped.items()
        ]

    def _files(self, argument: str) -> Iterator[Path]:
        """The files of one argument.

        Raises:
            UserError: nothing is there.
        """
        path = Path(argument)
        if path.is_dir():
            yield from self._folder(path, ())
        elif path.is_file():
            yield from self._listed(path) if path.suffix.lower() == LIST else [path]
        elif glob.has_magic(argument):
            for name in sorted(glob.iglob(argument, recursive=True)):
                if not os.path.isdir(name):
                    yield from self._wanted(Path(name))
        else:
            raise UserError(f'{argument}: no such image, folder, list or glob; check the path')

    def _folder(self, folder: Path, above: tuple) -> Iterator[Path]:
        """Pictures of a folder by name, then those of its subfolders; a link to a folder above is not followed."""
        try:
            place = os.stat(folder)
            with os.scandir(folder) as entries:
                folders, files = [], []
                for entry in entries:
                    hidden = entry.name.startswith('.')
                    (folders if entry.is_dir() and not hidden else files).append(entry.name)
        except OSError as error:
            return self._skip(f'folder not readable: {error.strerror}', folder)
        here = (place.st_dev, place.st_ino)
        if here in above:
            return self._skip('link to a folder above', folder)
        for name in sorted(files):
            yield from self._wanted(folder / name)
        for name in sorted(folders):
            yield from self._folder(folder / name, (*above, here))

    def _wanted(self, path: Path) -> Iterator[Path]:
        if path.name.startswith('.'):
            self._skip('hidden', path)
        elif path.suffix.lower() not in KNOWN:
            self._skip('not a picture by its suffix', path)
        else:
            yield path

    def _listed(self, file: Path) -> Iterator[Path]:
        """Pictures of a list file: a path a line, relative to the list's folder or to the working folder.

        Raises:
            UserError: a line that names no file.
        """
        with open(file, encoding='utf-8-sig', errors='surrogateescape') as lines:
            for number, line in enumerate(lines, start=1):
                name = line.strip()
                if not name or name.startswith('#'):
                    continue
                path = next((p for p in (file.parent / name, Path(name)) if p.is_file()), None)
                if path is None:
                    raise UserError(f'{file}: line {number}: {name}: no such file; correct or remove the line')
                yield path

    def _pictures(self, path: Path) -> Iterator[Item]:
        """The items of one file, without their numbers."""
        item = Item(0, str(path), path)
        suffix = path.suffix.lower()
        if suffix in video.SUFFIXES:
            for index in range(max(1, _frames(path))):  # of a broken one, one whose reading says what is wrong
                yield replace(item, name=f'{path}#frame={index}', kind=FRAME, index=index)
            return
        pages = tiff_pages(path) if suffix in TIFFS | slides.SUFFIXES else []
        if slides.is_slide(path, pages):
            yield replace(item, kind=SLIDE, size=pages[0].size if pages else None)
            return
        full = [index for index, page in enumerate(pages) if not page.copy]
        if len(full) < len(pages) and full:
            self._skip('a smaller copy or a mask inside a TIFF', path)
        if len(full) < 2 and full[:1] in ([], [0]):
            yield replace(item, size=pages[0].size if pages else None)
            return
        for index in full:
            yield replace(item, name=f'{path}#page={index}', kind=PAGE, index=index, size=pages[index].size)

    def _skip(self, reason: str, path: Path) -> None:
        self.skipped.setdefault(reason, [0, str(path)])[0] += 1


class FrozenList(Iterable[Item]):
    """The pictures of a file that :meth:`ItemList.freeze` wrote.

    Args:
        file: the list.
        part, parts: this is the part-th of ``parts`` shares, from 1: every parts-th picture, so that shares differ by
            one at most. The numbers stay those of the whole list.

    Raises:
        UserError: no such part; a list that is missing or broken.
    """

    def __init__(self, file: str | Path, part: int = 1, parts: int = 1) -> None:
        if not 1 <= part <= parts:
            raise UserError(f'--shard {part}/{parts}: the first number is from 1 to the second; such as 1/2')
        self.file, self.part, self.parts = Path(file), part, parts

    def split(self, part: int, parts: int) -> 'FrozenList':
        """The ``part``-th of ``parts`` shares, from 1."""
        return FrozenList(self.file, part, parts)

    def __iter__(self) -> Iterator[Item]:
        try:
            with open(self.file, encoding='utf-8') as lines:
                for number, line in enumerate(lines):
                    if number % self.parts == self.part - 1:
                        yield _item(line)
        except OSError as error:
            raise UserError(f'{self.file}: list of pictures not readable ({error.strerror}); list them again') from None
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f'{self.file}: not a list of pictures that was written here; list them again') from error

    def part_of(self, first: int, count: int) -> list[Item]:
        """``count`` pictures from number ``first`` of the whole list on."""
        with open(self.file, encoding='utf-8') as lines:
            return [_item(line) for line in islice(lines, first, first + count)]

    def count(self) -> int:
        """Pictures of this part; reads the list once."""
        return sum(1 for _ in self)


def _item(line: str) -> Item:
    row = json.loads(line)
    return Item(**row | {'path': Path(row['path']), 'size': row['size'] and tuple(row['size'])})


def list_items(paths: Sequence[str]) -> ItemList:
    """Pictures of files, folders (with all below), globs, list files (.txt), videos, TIFF stacks and slides.

    A file that is named twice counts once. Nothing is looked for until the stream is read; then

    Raises:
        UserError: a path that does not exist, a list's line without its file, an argument without any picture. A
            picture or a video that is broken is in the stream: reading it says so.
    """
    return ItemList(paths)


def _frames(path: Path) -> int:
    try:
        return video.FrameReader(path).count()
    except UserError:
        return 0
