"""The preparation of an image for a network: resize with the ratio kept, pad; and the way back for boxes. No torch."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

STRIDE = 32  # px; the coarsest grid of the detectors
PAD = 114  # grey value


def fit_size(shape: tuple[int, int], scale: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of an image of ``shape`` = (height, width) resized, ratio kept, to fit ``scale`` = (w, h).

    Smaller images grow. Sides are rounded to the nearest pixel and are at least 1.
    """
    height, width = shape
    ratio = min(scale[0] / width, scale[1] / height)
    return max(int(width * ratio + 0.5), 1), max(int(height * ratio + 0.5), 1)


@dataclass(frozen=True)
class Placement:
    """Where an image lies in its letterbox.

    Attributes:
        scale: letterbox pixels per original pixel, (x, y).
        size: original (width, height).
        offset: letterbox pixels (left, top) before the image.
    """

    scale: tuple[float, float]
    size: tuple[int, int]
    offset: tuple[int, int] = (0, 0)

    @property
    def inner(self) -> tuple[int, int]:
        """(width, height) of the image in the letterbox, pixels."""
        return tuple(round(scale * size) for scale, size in zip(self.scale, self.size, strict=True))

    def to_original(self, boxes: np.ndarray) -> np.ndarray:
        """(D, 4) xyxy letterbox pixels -> (D, 4) xyxy original pixels, clipped to the image."""
        boxes = (boxes - np.asarray(self.offset * 2, dtype=np.float32)) / np.asarray(self.scale * 2, dtype=np.float32)
        return np.clip(boxes, 0, np.asarray(self.size * 2, dtype=np.float32)).astype(np.float32)


def letterbox(
    image: np.ndarray, scale: tuple[int, int], fixed: bool = True, pad_value: int = PAD, centre: bool = False
) -> tuple[np.ndarray, Placement]:
    """Resize to fit ``scale`` with the ratio kept (smaller images grow), then pad.

    Args:
        image: (H, W, ...) uint8.
        scale: (width, height) px.
        fixed: pad to exactly ``scale``; else to the next multiple of ``STRIDE`` px of each side.
        centre: pad all sides equally instead of right and bottom.

    Returns:
        the padded image, and the placement that maps boxes back.
    """
    height, width = image.shape[:2]
    size = fit_size((height, width), scale)
    if size != (width, height):
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    outer = scale if fixed else tuple(STRIDE * math.ceil(side / STRIDE) for side in size)
    left, top = ((outer[0] - size[0]) // 2, (outer[1] - size[1]) // 2) if centre else (0, 0)
    right, bottom = outer[0] - size[0] - left, outer[1] - size[1] - top
    canvas = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(pad_value,) * 3)
    return canvas, Placement((size[0] / width, size[1] / height), (width, height), (left, top))
