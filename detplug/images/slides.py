"""Whole slides, read by regions: OME-TIFF, SVS, NDPI and other tiled TIFFs, by tiffslide (extra ``[slides]``)."""

import re
import threading
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detplug.errors import ImageError
from detplug.images.tiff_pages import Page, tiff_pages

SUFFIXES = {'.svs', '.ndpi', '.scn', '.bif'}
LARGE = 2**26  # px; a tiled TIFF of more is read by regions
OME = b'<OME'
MICROMETRES = {'nm': 1e-3, 'µm': 1.0, 'μm': 1.0, 'um': 1.0, 'mm': 1e3, 'cm': 1e4, '': 1.0}  # OME's default is µm


def is_slide(path: Path, pages: list[Page]) -> bool:
    """Whether a file is read by regions: by its name, or a tiled TIFF that is OME's or larger than 2**26 px."""
    if path.suffix.lower() in SUFFIXES:
        return True
    if not pages or not pages[0].tiled:
        return False
    return OME in pages[0].text or pages[0].size[0] * pages[0].size[1] > LARGE


class Slide:
    """A slide at its full resolution.

    Attributes:
        size: (width, height) px.
        micrometres: (x, y) um a pixel, None where the file does not say.

    Raises:
        ImageError: tiffslide is not installed, or the file is no slide that it reads.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        tiffslide = _tiffslide(self.path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # of formats whose metadata it reads in part
                self._slide = tiffslide.TiffSlide(self.path)
                self.size = tuple(int(side) for side in self._slide.dimensions)
                self.micrometres = _micrometres(self._slide.properties)
        except Exception as error:  # its kinds of errors are those of several libraries
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise ImageError(
                f'{self.path}: not a slide that tiffslide reads ({reason[0]}); write an OME-TIFF'
            ) from error
        self._lock = threading.Lock()

    def read_region(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """(height, width, 3) uint8 BGR of the region whose upper left pixel is (x, y).

        Raises:
            ImageError: it lies outside the slide, or does not decode.
        """
        if x < 0 or y < 0 or width < 1 or height < 1 or x + width > self.size[0] or y + height > self.size[1]:
            raise ImageError(
                f'{self.path}: region {x}, {y}, {width}x{height}: outside of {self.size[0]}x{self.size[1]} px'
            )
        try:
            with self._lock:
                pixels = self._slide.read_region((x, y), 0, (width, height), as_array=True)
        except Exception as error:
            raise ImageError(
                f'{self.path}: region {x}, {y}: not readable ({_line(error)}); get the file again'
            ) from error
        if pixels.dtype != np.uint8:
            raise ImageError(f'{self.path}: pixels are {pixels.dtype}; write the slide with 8 bit a channel')
        if pixels.ndim == 2 or pixels.shape[2] == 1:
            return cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_GRAY2BGR)
        return cv2.cvtColor(np.ascontiguousarray(pixels[..., :3]), cv2.COLOR_RGB2BGR)


@lru_cache(maxsize=2)
def slide_of(path: Path) -> Slide:
    """The open slide ``path``; each process keeps the last two."""
    return Slide(path)


def slide_size(path: Path) -> tuple[int, int] | None:
    """(width, height) px by the file's first directory; None where it has none."""
    pages = tiff_pages(path)
    return pages[0].size if pages else None


def _tiffslide(path: Path) -> Any:
    try:
        import tiffslide
    except ModuleNotFoundError as error:
        raise ImageError(f"{path}: a whole slide; to read it: pip install 'detplug[slides]' ({error.name})") from None
    return tiffslide


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [''])[0] or type(error).__name__


def _micrometres(properties: dict) -> tuple[float, float] | None:
    text = str(properties.get('tiff.ImageDescription') or '')
    sizes = []
    for axis in 'XY':
        value = re.search(rf'PhysicalSize{axis}="([0-9.eE+-]+)"', text)
        unit = re.search(rf'PhysicalSize{axis}Unit="([^"]*)"', text)
        scale = MICROMETRES.get(unit[1] if unit else '')
        own = properties.get(f'tiffslide.mpp-{axis.lower()}')
        sizes.append(float(value[1]) * scale if value and scale else own and float(own))
    return (sizes[0], sizes[1]) if all(sizes) else None
