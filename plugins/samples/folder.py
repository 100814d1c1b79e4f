"""Folders of generated data: checked settings, all-or-nothing writing, a manifest with the checksum of every file."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cv2

from detplug.errors import UserError

MANIFEST = 'manifest.json'
OWN_FOLDERS = {'images', 'annotations'}


def checked_settings(seed: int, counts: Mapping[str, int] | None, size: int, default_counts: Mapping[str, int]) -> dict:
    """Seed, size and images a split as a dictionary for the manifest.

    Args:
        counts: images a split; None is ``default_counts``, whose keys are the splits that exist.
        size: width and height of the images in pixels.

    Raises:
        UserError: out of range.
    """
    counts = dict(default_counts if counts is None else counts)
    if not counts:
        raise UserError(f'counts: no split; give a number of images for {", ".join(default_counts)}')
    for split, images in counts.items():
        if split not in default_counts:
            raise UserError(f'counts: {split!r} is not a split; use {", ".join(default_counts)}')
        if not isinstance(images, int) or images < 1:
            raise UserError(f'counts: {split}={images!r}: give a number of images of at least 1')
    if not isinstance(size, int) or not 64 <= size <= 2048:
        raise UserError(f'size: {size!r}: give a number of pixels from 64 to 2048')
    if not isinstance(seed, int) or seed < 0:
        raise UserError(f'seed: {seed!r}: give a number of at least 0')
    return {'seed': seed, 'size': size, 'counts': counts}


def write_folder(folder: Path, settings: Mapping, write: Callable[[Path], Mapping]) -> Path:
    """Write ``folder``, all or nothing; a complete folder of the same settings is left as it is.

    Args:
        folder: replaced when it holds data of the same generator with other settings, or damaged data.
        settings: for the manifest; ``settings['generator']`` tells whose data it is.
        write: fills an empty folder that it is given; returns what else the manifest says.

    Raises:
        UserError: the folder holds something else.
    """
    if folder.exists() and _complete(folder, settings):
        return folder
    if folder.exists() and not _replaceable(folder, settings['generator']):
        raise UserError(f'{folder}: holds something that is not sample data; give another folder or remove it')
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f'.{folder.name}.', dir=folder.parent))
    new = scratch / 'new'
    try:
        new.mkdir()
        with _one_opencv_thread():
            facts = write(new)
        manifest = {**settings, **facts, 'sha256': _checksums(new)}
        (new / MANIFEST).write_text(json.dumps(manifest, indent=1))
        if folder.exists():
            folder.rename(scratch / 'old')
        new.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _complete(folder: Path, settings: Mapping) -> bool:
    """Whether the manifest has these settings and every file its checksum."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        sums = manifest['sha256']
        return {key: manifest.get(key) for key in settings} == settings and sums == _checksums(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _replaceable(folder: Path, generator: str) -> bool:
    """An empty folder, or one whose manifest names this generator; an unreadable manifest among our folders too."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    if MANIFEST not in names:
        return not names
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return names <= OWN_FOLDERS | {MANIFEST}
    return isinstance(manifest, dict) and manifest.get('generator') == generator


def _checksums(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob('*') if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """OpenCV's own threads only get in the way of ours: the pictures are small."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
