"""Objects of no class, made of two known ones, and their harmless twins (ours; off by default).

Labelled images hold no unknown object. A chimera, part one object and part another of a different class, lies near the
known classes and is none of them (in the spirit of the virtual outliers of VOS, arXiv 2202.01197, in pixels). Lest
"has a seam" become the meaning of "unknown", as many blends of two objects of one class, made the same way, keep their
name.
"""

from dataclasses import replace

import cv2
import numpy as np

from .embedding import Crop, EmbedRule, vary
from .tone import retoned

SHARE = (0.35, 0.65)  # of the first object where both are; so each has a fifth of the box or more
ZOOM = (0.9, 1.6)  # size of the second object in sizes of the first
SOFT = 0.15  # width of the seam, as a share of the crop


def chimera(first: Crop, second: Crop, label: int, generator: np.random.Generator) -> Crop:
    """``first`` with a part of the turned and scaled ``second`` in its place; the box is that of both together.

    Args:
        first, second: crops with their tones; the surroundings are those of the first.
        label: of the result.
    """
    size = first.pixels.shape[1::-1]
    pixels, box = fitted(vary(second, EmbedRule(zoom=(1, 1)), generator), first, generator.uniform(*ZOOM))
    if first.tone is not None and second.tone is not None:
        pixels = retoned(pixels, second.tone, first.tone)
    there = (1 - (np.hypot(*in_box(size, box)) - 1) / SOFT).clip(0, 1)  # outside the second object the first stays
    weight = 1 - ((1 - soft_mask(size, first.box, there > 0.5, generator)) * there)[..., None]
    mixed = np.rint(weight * first.pixels + (1 - weight) * pixels).astype(np.uint8)
    union = np.concatenate([np.minimum(first.box[:2], box[:2]), np.maximum(first.box[2:], box[2:])])
    union = union.clip(0, (*size, *size)).astype(np.float32)
    return replace(first, pixels=mixed, box=union, label=label, source='made', score=1.0)


def fitted(crop: Crop, place: Crop, zoom: float) -> tuple[np.ndarray, np.ndarray]:
    """The crop scaled to ``zoom`` times the object of ``place`` and laid on it, centre on centre: pixels and box."""
    extent, wanted = crop.box[2:] - crop.box[:2], place.box[2:] - place.box[:2]
    scale = zoom * float(np.sqrt(wanted.prod() / max(extent.prod(), 1)))
    centres = [(x.box[:2] + x.box[2:]) / 2 for x in (crop, place)]
    shift = centres[1] - scale * centres[0]
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    size = place.pixels.shape[1::-1]
    pixels = cv2.warpAffine(crop.pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return pixels, crop.box * scale + np.tile(shift, 2)


def in_box(size: tuple[int, int], box: np.ndarray) -> np.ndarray:
    """(2, h, w) x and y of each pixel in halves of the box's sides from its centre: -1 to 1 within it.

    Args:
        size: (width, height).
    """
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    centre, half = (box[:2] + box[2:]) / 2, np.maximum((box[2:] - box[:2]) / 2, 1)
    return np.stack([(x - centre[0]) / half[0], (y - centre[1]) / half[1]])


def soft_mask(size: tuple[int, int], box: np.ndarray, shared: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(h, w) float32 share of the first object: a half-plane through the box or a disc in it, with a soft edge.

    Its mean over the ``shared`` part of the box is drawn from ``SHARE``.

    Args:
        size: (width, height).
        shared: (h, w) bool, where the second object is.
    """
    u, v = in_box(size, box)
    angle = generator.uniform(0, 2 * np.pi)
    if generator.random() < 0.5:
        distance = u * np.cos(angle) + v * np.sin(angle)
    else:
        distance = np.hypot(u - 0.3 * np.cos(angle), v - 0.3 * np.sin(angle))
    inside = (np.abs(u) <= 1) & (np.abs(v) <= 1) & shared
    edge = np.quantile(distance[inside], generator.uniform(*SHARE))
    return (0.5 - (distance - edge) / (2 * SOFT)).clip(0, 1).astype(np.float32)
