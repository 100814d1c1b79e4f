"""Images through the cache of a test's own folder, and without any; processes that use it."""

import multiprocessing
from pathlib import Path

import cv2
import numpy as np

from detplug.data import LoadResizedImage

SCALE = (24, 24)
FORK = multiprocessing.get_context('fork')
SECONDS = 30  # longest wait for another process


def loader(tmp_path: Path, megabytes: float = 1) -> LoadResizedImage:
    return LoadResizedImage(SCALE, cache_mb=megabytes, cache_dir=str(tmp_path / 'cache'))


def pixels(transform: LoadResizedImage, paths: list[str]) -> list[np.ndarray]:
    return [transform(dict(img_path=path))['img'] for path in paths]


def uncached(paths: list[str]) -> list[np.ndarray]:
    """The oracle: what OpenCV alone makes of the files."""
    return [cv2.resize(cv2.imread(path), (24, 16)) for path in paths]


def exit_code(process: multiprocessing.Process) -> int | None:
    """Exit code of a process; None, and the process is killed, where it does not end."""
    process.join(SECONDS)
    code = process.exitcode
    process.kill()
    process.join()
    return code
