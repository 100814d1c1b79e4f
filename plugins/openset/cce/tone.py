"""The colours of a slide around an object, so that an embedded object has those of its new place (ours).

Slides differ in stain and in the lamp's colour; a crop that keeps its own is found by its colour alone, and a network
learns that instead of the object. Mean and spread of each channel are carried over, as Reinhard et al. (2001) do
between whole pictures.
"""

from collections.abc import Sequence

import cv2
import numpy as np

REACH = 2  # sizes of the region that are looked at on each side of it
STEP = 2  # every second pixel is looked at
MOST = 2.0  # largest change of contrast, and its inverse


def tone_around(image: np.ndarray, region: Sequence[float]) -> np.ndarray:
    """(2, 3) mean and standard deviation of each channel in the region and its surroundings.

    Args:
        image: (H, W, 3), any type.
        region: (4,) xyxy px; a part of it lies in the image.
    """
    x1, y1, x2, y2 = (int(v) for v in region)
    width, height = REACH * max(x2 - x1, 1), REACH * max(y2 - y1, 1)
    part = image[max(y1 - height, 0) : y2 + height : STEP, max(x1 - width, 0) : x2 + width : STEP]
    return np.stack(cv2.meanStdDev(part))[..., 0].astype(np.float32)


def retoned(pixels: np.ndarray, tone: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 ``pixels`` of a place with tone ``tone`` as they would be in one with tone ``wanted``."""
    contrast = (wanted[1] / np.maximum(tone[1], 1)).clip(1 / MOST, MOST)
    return np.rint((pixels - tone[0]) * contrast + wanted[0]).clip(0, 255).astype(np.uint8)
