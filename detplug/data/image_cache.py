"""Resized images in one memory-mapped file that all loader processes, ranks and runs of a user share.

The pages lie once in the operating system's page cache, however many processes map them, and are given back when memory
is short. One file for each network scale, for all data sets:

    header      one page: version of the rule that makes the pixels, scale, number of slots
    entries     32 bytes a slot: key (16), height and width of the original (4 + 4), checksum (4), 4 spare
    slots       width * height * 3 bytes each, rounded up to pages; the file is sparse, only what is filled takes space

A slot is found by its key as in a hash table (linear probing), is taken under a lock and never given to another image:
pixels that a process has read cannot change under it. The key holds path, size and times of the image file, so a
changed image is another image. The checksum covers key, size and pixels and is tested when a process first reads a
slot, so a slot that was filled half (killed process, crash of the machine before the disk had all) counts as empty.
Written with pwrite, not through the map: a full disk is then an error that can be handled, not a signal that kills.
Only who shortens the file in place while others read it (nothing here does) ends them by a signal.
"""

import hashlib
import mmap
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np

from detplug.data.cache_file import locked, open_cache_file, say_once
from detplug.images.letterbox import fit_size

RULE = 2  # raised whenever read_image, fit_size or LoadResizedImage gives other pixels than before
PAGE = 4096  # bytes; the header
ENTRY = struct.Struct('<16sIIII')  # key, original height and width in px, checksum, spare
FILLED = struct.Struct('<III')  # what is written after the pixels
PROBES = 32  # slots that are looked at for a key; with so many a table gets about nine tenths full
KEEP_FREE = 2 * 2**30  # bytes of the disk that are left to checkpoints
EMPTY = bytes(16)


def cache_folder() -> Path:
    """``$DETPLUG_CACHE``, or ``detplug/images`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if os.environ.get('DETPLUG_CACHE'):
        return Path(os.environ['DETPLUG_CACHE'])
    return Path(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')) / 'detplug' / 'images'


def image_key(path: str | Path, window: tuple[float, float] | None = None) -> bytes:
    """16 bytes that stand for the pixels of an image file: path, size, time of the last change, and of its record.

    The latter (ctime) cannot be set by a program: unpacking another file of the same size with the same date is seen.

    Raises:
        OSError: no such file.
    """
    stat = os.stat(path)
    text = f'{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {os.path.abspath(path)}{window or ""}'
    return hashlib.blake2b(os.fsencode(text), digest_size=16).digest()


class ImageCache:
    """Resized images by image file. Whatever fails, images are decoded without it, and one line says so.

    The file is opened at the first use in a process; a copy that is pickled, as for loader processes that are spawned,
    opens it again.

    Args:
        scale: (width, height) px that every image fits.
        megabytes: limit for the images of the file (2**20 bytes); a file that was made with another one is replaced.
        folder: where the file lies, :func:`cache_folder` by default. On NFS it has not been tested.

    Attributes:
        reads, writes: images served from the file, and put into it, by this process.
    """

    file: int | None = None

    def __init__(self, scale: tuple[int, int], megabytes: float, folder: str | Path | None = None) -> None:
        self.scale, self.folder = tuple(scale), folder
        self.slot_bytes = -(-scale[0] * scale[1] * 3 // PAGE) * PAGE
        self.slots = int(megabytes * 2**20) // self.slot_bytes
        self.first_slot = PAGE + -(-self.slots * ENTRY.size // PAGE) * PAGE
        self.file_bytes = self.first_slot + self.slots * self.slot_bytes
        self._forget()

    def _forget(self) -> None:
        self.file = None
        self.map: mmap.mmap | None = None
        self.failed = self.full = False
        self.checked = bytearray()  # slots whose checksum this process has tested
        self.reads = self.writes = 0

    def __del__(self) -> None:
        if self.file is not None:
            os.close(self.file)

    def __getstate__(self) -> dict:
        gone = ('file', 'map', 'checked')
        return {key: value for key, value in self.__dict__.items() if key not in gone}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._forget()

    @property
    def path(self) -> Path:
        """The cache file."""
        folder = cache_folder() if self.folder is None else Path(self.folder)
        return folder / f'{self.scale[0]}x{self.scale[1]}.images'

    def read(self, key: bytes) -> tuple[np.ndarray, tuple[int, int]] | None:
        """(resized image, (height, width) of the original), or None where the file has no such image.

        The image is (h, w, 3) uint8 BGR, read-only, a view of the file.
        """
        slot = self._find(key) if self._open() else None
        if slot is None:
            return None
        _, height, width, checksum, _ = ENTRY.unpack_from(self.map, PAGE + slot * ENTRY.size)
        shape = self._shape(height, width)
        if shape is None:
            return None
        start = self.first_slot + slot * self.slot_bytes
        image = np.ndarray(shape, np.uint8, self.map, start)
        if not self.checked[slot]:
            if checksum != _checksum(key, height, width, image):
                return None
            self.checked[slot] = 1
        self.reads += 1
        return image, (height, width)

    def write(self, key: bytes, image: np.ndarray, original: tuple[int, int]) -> np.ndarray:
        """Put ``image`` into the file where there is room; returns it as :meth:`read` would, or as it is.

        Args:
            key: from :func:`image_key`.
            image: (h, w, 3) uint8, resized by ``fit_size``.
            original: (height, width) px before.
        """
        if not self._open() or self.full:
            return image
        try:
            slot = self._take(key)
            if slot is None:
                return image
            self._write(np.ascontiguousarray(image).data.cast('B'), self.first_slot + slot * self.slot_bytes)
            entry = FILLED.pack(*original, _checksum(key, *original, image))
            self._write(entry, PAGE + slot * ENTRY.size + len(key))
        except OSError as error:
            self._stop(f'not written ({error.strerror or error})')
            return image
        self.writes += 1
        cached = self.read(key)
        return image if cached is None else cached[0]

    def _shape(self, height: int, width: int) -> tuple[int, int, int] | None:
        """Shape of the resized image; None where the entry was not filled."""
        if not height or not width:
            return None
        size = fit_size((height, width), self.scale)
        return (size[1], size[0], 3)

    def _find(self, key: bytes) -> int | None:
        """The slot of ``key``."""
        slot = self._probe(key)
        return slot if slot is not None and self._key(slot) == key else None

    def _probe(self, key: bytes) -> int | None:
        """The slot of ``key``, or the empty one that it would get, or None where there is none."""
        first = int.from_bytes(key[:8], 'little')
        for step in range(min(PROBES, self.slots)):
            slot = (first + step) % self.slots
            if self._key(slot) in (key, EMPTY):
                return slot
        return None

    def _key(self, slot: int) -> bytes:
        start = PAGE + slot * ENTRY.size
        return self.map[start : start + len(EMPTY)]

    def _take(self, key: bytes) -> int | None:
        """The slot of ``key``, which is now its own; None, and no more is written, where there is no room."""
        disk = os.fstatvfs(self.file)
        if disk.f_bavail * disk.f_frsize < KEEP_FREE + self.slot_bytes:
            self._stop(f'less than {KEEP_FREE / 2**30:.0f} GiB of the disk are free')
            return None
        with locked(self.path.parent):
            slot = self._probe(key)
            if slot is not None and self._key(slot) == EMPTY:
                self._write(key, PAGE + slot * ENTRY.size)
        if slot is None:
            self._stop('full; raise cache_mb, or delete it')
        return slot

    def _write(self, content: bytes | memoryview, start: int) -> None:
        if os.pwrite(self.file, content, start) < len(content):
            raise OSError('the disk is full')

    def _stop(self, reason: str) -> None:
        """This process writes no more."""
        self.full = True
        say_once(f'{self.path}: cache of resized images: {reason}; images that are not in it are decoded each time')

    def _open(self) -> bool:
        """Whether the file is mapped."""
        if self.map is None and not self.failed and self.slots:
            try:
                self.file = open_cache_file(self.path, self._header(), self.file_bytes)
                self.map = mmap.mmap(self.file, self.file_bytes, access=mmap.ACCESS_READ)
                self.checked = bytearray(self.slots)
            except (OSError, ValueError, OverflowError) as error:
                self.failed = True
                reason = getattr(error, 'strerror', None) or error
                say_once(f'{self.path}: cache of resized images: not opened ({reason}); images are decoded each time')
        return self.map is not None

    def _header(self) -> bytes:
        width, height = self.scale
        text = (
            f'detplug resized images, rule {RULE}, OpenCV {cv2.__version__}, {width}x{height} px, {self.slots} slots\n'
        )
        return text.encode().ljust(PAGE, b'\0')


def _checksum(key: bytes, height: int, width: int, image: np.ndarray) -> int:
    """Of key, size and pixels; Adler-32 finds pages that are lost as CRC-32 does, in a third of the time."""
    return zlib.adler32(image, zlib.adler32(FILLED.pack(height, width, 0), zlib.adler32(key)))
