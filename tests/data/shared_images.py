"""Images through the cache of a test's own folder, and without any."""

from pathlib import Path

import cv2
import numpy as np

from detplug.data import LoadResizedImage

SCALE = (24, 24)


def loader(tmp_path: Path, megabytes: float = 1) -> LoadResizedImage:
    return LoadResizedImage(SCALE, cache_mb=megabytes, cache_dir=str(tmp_path / 'cache'))


def pixels(transform: LoadResizedImage, paths: list[str]) -> list[np.ndarray]:
    return [transform(dict(img_path=path))['img'] for path in paths]


def uncached(paths: list[str]) -> list[np.ndarray]:
    """The oracle: what OpenCV alone makes of the files."""
    return [cv2.resize(cv2.imread(path), (24, 16)) for path in paths]
