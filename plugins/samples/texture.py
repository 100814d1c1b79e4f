"""Profiles and random textures that everything on a slide is drawn with.

All functions are pure; randomness comes from the ``np.random.Generator`` that is passed in.
"""

import math
from functools import lru_cache

import cv2
import numpy as np


def blur(plane: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of a (H, W) plane, ``sigma`` in pixels; the kernel ends at 2.7 sigma (OpenCV's: 4), to be fast."""
    side = 2 * math.ceil(2.7 * sigma) + 1
    return cv2.GaussianBlur(plane, (side, side), sigma)


def fresh_grain(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> np.ndarray:
    """Smooth noise of mean 0 and variance about 1, correlated over ``sigma`` pixels: (H, W) float32."""
    factor = max(1, int(sigma / 1.5))
    sigma = max(sigma / factor, 0.3)
    coarse = rng.standard_normal([n // factor + 3 for n in shape], dtype=np.float32)
    coarse = blur(coarse, sigma)
    coarse *= math.sqrt(4 * math.pi * sigma**2 + 1)  # undoes what the blur takes from the variance, about
    if factor > 1:
        coarse = cv2.resize(coarse, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    return coarse[: shape[0], : shape[1]]


def grain(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> np.ndarray:
    """Like :func:`fresh_grain` for small patches, but a random piece of a fixed field: fast."""
    rung = max(0, round(math.log(max(sigma, 0.3) / 0.3) / math.log(1.2)))
    side = 512 << max(0, math.ceil(math.log2((max(shape) + 64) / 512)))
    top, left, flips = rng.integers(0, (side - shape[0], side - shape[1], 4))
    field = _field(rung, side)[:: 1 - 2 * (flips & 1), :: 1 - (flips & 2)]
    return field[top : top + shape[0], left : left + shape[1]]


@lru_cache(maxsize=64)
def _field(rung: int, side: int) -> np.ndarray:
    """A constant (side, side) field of noise, correlated over 0.3 * 1.2**rung pixels; read-only."""
    field = fresh_grain(np.random.default_rng([rung, side]), (side, side), 0.3 * 1.2**rung)
    field.flags.writeable = False
    return field


def line(distance: np.ndarray, at: float, width: float) -> np.ndarray:
    """A soft line: 1 where ``distance`` equals ``at``, falling off over ``width`` (same unit)."""
    return np.exp(-(((distance - at) / width) ** 2))


def step(distance: np.ndarray, at: float, soft: float) -> np.ndarray:
    """0 below ``at``, 1 above, a ramp of width ``soft`` between."""
    return np.clip((distance - at) / soft + 0.5, 0, 1)


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Distance to the border of a (H, W) uint8 mask in pixels, positive inside: (H, W) float32."""
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    return blur(inside - outside, 0.8)


def fill(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The (N, 2) polygon of x, y pixels as a (H, W) uint8 mask of 0 and 1."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(polygon * 16).astype(np.int32)], 1, shift=4)
    return mask


def distance_to_path(path: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Distance of each pixel to the open (N, 2) path of x, y pixels: (H, W) float32."""
    free = np.ones(shape, np.uint8)
    cv2.polylines(free, [np.round(path * 16).astype(np.int32)], False, 0, shift=4)
    return cv2.distanceTransform(free, cv2.DIST_L2, 5)
