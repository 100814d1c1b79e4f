"""The pages of a TIFF from its directories alone: how many pictures it holds, how large they are. Nothing is decoded.

Source: TIFF 6.0, section 2, and the BigTIFF design.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np

from detplug.errors import ImageError
from detplug.images.window import Window, eight_bit

SUBFILE_TYPE, WIDTH, HEIGHT, DESCRIPTION, TILE_WIDTH = 254, 256, 257, 270, 322
REDUCED, MASK = 1, 4  # bits of SUBFILE_TYPE: a smaller copy of another page, a mask
FORMATS = {1: 'B', 2: 's', 3: 'H', 4: 'I', 13: 'I', 16: 'Q', 18: 'Q'}
MOST_PAGES = 1_000_000  # a broken file may chain its directories without end
MOST_TAGS = 4096


class Page(NamedTuple):
    """One directory: ``size`` (width, height) px; ``copy``: a smaller one of another page, or a mask."""

    size: tuple[int, int]
    copy: bool
    tiled: bool
    text: bytes


def tiff_pages(path: str | Path) -> list[Page]:
    """The directories of a TIFF or BigTIFF in their order; empty for a file that is none or whose first is broken.

    A chain that breaks later ends there: reading a page says what is wrong with it.
    """
    pages: list[Page] = []
    try:
        with open(path, 'rb') as file:
            pages.extend(_walk(file))
    except (OSError, OverflowError, ValueError, struct.error):  # an offset beyond the file, a number without its bytes
        pass
    return pages


def read_page(path: str | Path, index: int, window: Window | None = None) -> np.ndarray:
    """(H, W, 3) uint8 BGR of page ``index`` (from 0) of a TIFF; ``window`` as of :func:`detplug.images.read_image`.

    Raises:
        ImageError: no such page, or one that does not decode.
    """
    try:
        content = np.fromfile(path, np.uint8)
        decoded, pages = cv2.imdecodemulti(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, range=(index, index + 1))
    except (OSError, cv2.error) as error:
        raise ImageError(f'{path}: page {index}: not readable ({str(error).strip().splitlines()[-1]})') from None
    if not decoded or len(pages) != 1:
        raise ImageError(f'{path}: page {index}: not a picture that can be decoded; get the file again')
    return eight_bit(pages[0], window, f'{path}: page {index}')


def _walk(file: BinaryIO) -> Iterator[Page]:
    order = {b'II': '<', b'MM': '>'}.get(file.read(2))
    version = file.read(2)
    if order is None or version not in (struct.pack(order + 'H', 42), struct.pack(order + 'H', 43)):
        return
    big = version == struct.pack(order + 'H', 43)
    if big:
        file.read(4)
    offset_format = order + ('Q' if big else 'I')
    visited: set[int] = set()
    offset = _number(file, offset_format)
    while offset and offset not in visited and len(visited) < MOST_PAGES:
        visited.add(offset)
        file.seek(offset)
        count = _number(file, order + ('Q' if big else 'H'))
        if not 0 < count <= MOST_TAGS:
            return
        size = 20 if big else 12
        entries = file.read(count * size)
        offset = _number(file, offset_format)
        if len(entries) == count * size:
            page = _page(file, _entries(entries, size, order), order, big)
            if page is not None:
                yield page


def _number(file: BinaryIO, form: str) -> int:
    data = file.read(struct.calcsize(form))
    return struct.unpack(form, data)[0] if len(data) == struct.calcsize(form) else 0


def _entries(data: bytes, size: int, order: str) -> dict[int, tuple[int, int, bytes]]:
    """tag -> (type, count, value or offset)."""
    entries = {}
    for start in range(0, len(data), size):
        tag, kind = struct.unpack_from(order + 'HH', data, start)
        count = struct.unpack_from(order + ('Q' if size == 20 else 'I'), data, start + 4)[0]
        entries[tag] = kind, count, data[start + (12 if size == 20 else 8) : start + size]
    return entries


def _page(file: BinaryIO, tags: dict, order: str, big: bool) -> Page | None:
    def number(tag: int) -> int:
        kind, _, value = tags.get(tag, (0, 0, b''))
        form = FORMATS.get(kind)
        return struct.unpack_from(order + form, value)[0] if form and form != 's' else 0

    size = number(WIDTH), number(HEIGHT)
    if not all(size):
        return None
    text = b''
    if DESCRIPTION in tags:
        _, count, value = tags[DESCRIPTION]
        text = value
        if count > len(value):
            file.seek(struct.unpack(order + ('Q' if big else 'I'), value)[0])
            text = file.read(min(count, 4096))
    return Page(size, bool(number(SUBFILE_TYPE) & (REDUCED | MASK)), TILE_WIDTH in tags, text)
