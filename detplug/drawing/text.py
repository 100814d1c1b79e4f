"""Lines of text as pixels. OpenCV's own fonts know ASCII only; class names are in any language."""

from functools import lru_cache
from math import ceil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detplug.drawing.colours import Colour, text_colour

FONT = str(Path(__file__).with_name('fonts') / 'DejaVuSans.ttf')  # Latin, Greek, Cyrillic, Arabic and more
PADDING = 2  # pixels on each side of a text


@lru_cache(16)
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font in which pictures are labelled, ``size`` pixels high."""
    return ImageFont.truetype(FONT, size)


def line_height(size: int) -> int:
    """Pixels from one line to the next, padding included; equal for every text."""
    return sum(font(size).getmetrics()) + 2 * PADDING


@lru_cache(4096)
def text_coverage(text: str, size: int) -> np.ndarray:
    """(:func:`line_height`, W, 1) float32: how much of each pixel the text covers, 0 to 1; padding on all sides."""
    line = Image.new('L', (ceil(font(size).getlength(text)) + 2 * PADDING, line_height(size)))
    ImageDraw.Draw(line).text((PADDING, PADDING), text, fill=255, font=font(size))
    return np.asarray(line, np.float32)[..., None] / 255


def write_plate(picture: np.ndarray, left: float, bottom: float, text: str, size: int, colour: Colour) -> None:
    """Write ``text`` on a plate of ``colour`` (RGB) into ``picture`` (H, W, 3) uint8 BGR, in place.

    The plate stands on (``left``, ``bottom``), pixels, moved as far as it must to lie inside the picture.
    """
    coverage = text_coverage(text, size)[: picture.shape[0], : picture.shape[1]]
    height, width = coverage.shape[:2]
    top = min(max(int(bottom) - height, 0), picture.shape[0] - height)
    left = min(max(int(left), 0), picture.shape[1] - width)
    plate, ink = (np.array(x[::-1], np.float32) for x in (colour, text_colour(colour)))
    picture[top : top + height, left : left + width] = (plate + (ink - plate) * coverage).round()
