"""What an inspection keeps of each image: features, a thumbnail, colour, brightness and sharpness. Read once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detplug.errors import UserError
from detplug.images.header import read_header
from detplug.images.reading import read_image
from detplug.images.window import Window

from .local_features import SIDE, Features, features_of, small_grey

THUMB = 16  # px, sides of a thumbnail
SMOOTH, SLOW = 2.0, 25.0  # px at SIDE: finer detail is noise, slower changes are the lamp


@dataclass(frozen=True)
class ImageStatistics:
    """One image.

    Attributes:
        size: (width, height) px as shown.
        features: see local_features.py.
        thumbnail: (THUMB, THUMB) float32, band-passed, of length 1 (zeros for an even image).
        brightness: mean of the grey, 0 to 255. colour: mean (a, b) of CIELAB, the stain.
        contrast: standard deviation of the grey. sharpness: of its Laplacian, over the contrast.
    """

    size: tuple[int, int]
    features: Features
    thumbnail: np.ndarray
    brightness: float
    colour: tuple[float, float]
    contrast: float
    sharpness: float


def statistics_of_all(
    paths: Sequence[Path], window: Window | None = None, each: Callable[[], None] = lambda: None
) -> list[ImageStatistics | str]:
    """The statistics of each image, or the reason (text) why it cannot be read; a thread a core.

    Args:
        each: called after every image.
    """

    def one(path: Path) -> ImageStatistics | str:
        try:
            result = statistics_of(path, window)
        except (UserError, OSError, MemoryError) as error:
            result = str(error) or f'{path}: needs more memory than there is'
        each()
        return result

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            return list(pool.map(one, paths))
    finally:
        cv2.setNumThreads(threads)


def statistics_of(path: Path, window: Window | None = None) -> ImageStatistics:
    """The statistics of an image file.

    Raises:
        UserError: it cannot be read.
    """
    image = read_small(path, window)
    grey = small_grey(image)
    band = band_pass(grey)
    lab = cv2.cvtColor(cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2LAB)
    contrast = float(grey.std())
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).std()) / max(contrast, 1.0)
    _, a, b = lab.reshape(-1, 3).mean(0).tolist()
    thumbnail = unit(cv2.resize(band, (THUMB, THUMB), interpolation=cv2.INTER_AREA))
    return ImageStatistics(
        read_header(path).shown_size, features_of(grey), thumbnail, float(grey.mean()), (a, b), contrast, sharpness
    )


def read_small(path: Path, window: Window | None = None) -> np.ndarray:
    """(H, W, 3) uint8 BGR, decoded at a part of the size where that leaves twice SIDE px.

    Raises:
        UserError: it cannot be read.
    """
    longer = max(read_header(path).shown_size)
    return read_image(path, window, max(x for x in (1, 2, 4, 8) if x == 1 or longer >= 2 * SIDE * x))


def band_pass(grey: np.ndarray) -> np.ndarray:
    """float32 grey without noise and without the slow changes of the light."""
    grey = grey.astype(np.float32)
    return cv2.GaussianBlur(grey, (0, 0), SMOOTH) - cv2.GaussianBlur(grey, (0, 0), SLOW)


def unit(values: np.ndarray) -> np.ndarray:
    """``values`` less their mean, of length 1; zeros where they are all alike."""
    centred = values - values.mean()
    length = float(np.linalg.norm(centred))
    return centred / length if length > 1e-3 else np.zeros_like(centred)
