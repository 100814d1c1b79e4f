"""The picture of a scene: place, shadows, things, light and shade, colour of the light, noise."""

import cv2
import numpy as np

from plugins.samples.scene.backdrop import PLACES
from plugins.samples.scene.composition import Scene
from plugins.samples.scene.parts import OVERSAMPLING, SHIFT, Canvas, ellipse
from plugins.samples.texture import blur

OUTDOORS = ('bicycle', 'horse')
SHADOW, SHADE, GLINT = 0.38, 0.20, 0.14  # strengths
NOISE = 2.2  # standard deviation, grey levels


def photograph(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """(S, S, 3) uint8 RGB."""
    outdoors = any(thing.kind in OUTDOORS for thing in scene.things)
    place = ('meadow', 'street', 'room')[rng.choice(3, p=[0.55, 0.45, 0.0] if outdoors else [0.3, 0.25, 0.45])]
    ground = PLACES[place](scene.size, rng)
    side = 1 if rng.random() < 0.5 else -1
    lit = 1 - SHADOW * rng.uniform(0.7, 1.1) * _shadows(scene, side)
    picture = paint_things(scene, cv2.convertScaleAbs(ground * lit[..., None]), side)
    return _light(picture, rng)


def paint_things(scene: Scene, ground: np.ndarray, side: int = 1) -> np.ndarray:
    """All things on a (S, S, 3) uint8 picture, in the light from ``side`` (1: the left); the same shape."""
    size = OVERSAMPLING * scene.size
    canvas = Canvas(cv2.resize(ground, (size, size), interpolation=cv2.INTER_NEAREST), (size, size))
    for _, parts in scene.layers:
        canvas.paint(parts)
    picture = cv2.resize(canvas.rgb, (scene.size, scene.size), interpolation=cv2.INTER_AREA)
    light = _relief(np.ascontiguousarray(canvas.numbers[::OVERSAMPLING, ::OVERSAMPLING]), side)
    return cv2.convertScaleAbs(picture * light[..., None])


def _shadows(scene: Scene, side: int) -> np.ndarray:
    """(S, S) float32, 1 in the middle of a shadow on the ground."""
    dark = np.zeros((scene.size, scene.size), np.float32)
    for thing in scene.things:
        left, top, right, bottom = thing.box
        if bottom < thing.ground - 0.02 * (bottom - top) - 2:
            continue  # in somebody's hands
        half = (right - left) / 2
        centre = ((left + right) / 2 + 0.25 * side * half, thing.ground - 0.01 * (bottom - top))
        points = ellipse(centre, (1.05 * half, 0.05 * half + 0.02 * scene.size))
        cv2.fillPoly(dark, [np.round(points * (1 << SHIFT)).astype(np.int32)], 1.0, cv2.LINE_AA, SHIFT)
    return blur(dark, 0.009 * scene.size)


def _relief(numbers: np.ndarray, side: int) -> np.ndarray:
    """(S, S) float32 brightness of parts that look round, from the (S, S) number of the part that is seen.

    They are a little darker at the border away from the light and brighter at the other.
    """
    size = len(numbers)
    reach = max(1, round(size / 200))
    bordered = cv2.copyMakeBorder(numbers, *[reach] * 4, cv2.BORDER_REPLICATE)
    seen, factor = (numbers >= 0).view(np.uint8), np.ones((size, size), np.float32)
    for sign, strength in ((1, -SHADE), (-1, GLINT)):
        x, y = reach + sign * side * reach, reach + sign * reach
        border = (bordered[y : y + size, x : x + size] != numbers).view(np.uint8) * seen
        factor += np.float32(strength / 255) * (cv2.blur(border * np.uint8(255), (2 * reach - 1,) * 2) * seen)
    return factor


def _light(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Warm or cool, bright or dim, a little uneven; noise of the sensor. (S, S, 3) uint8 to the same."""
    size = len(picture)
    warm, bright = rng.normal(0, 0.035), rng.uniform(0.86, 1.08)
    y, x = np.indices((16, 16), dtype=np.float32) / 7.5 - 1
    slope = rng.normal(0, 0.05, 2)
    even = cv2.resize(1 + slope[0] * x + slope[1] * y - 0.04 * (x * x + y * y), (size, size)).astype(np.float32)
    noise = rng.standard_normal((size, size), np.float32) * np.float32(NOISE)
    planes = []
    for plane, tint in zip(cv2.split(picture), (1 + warm, 1, 1 - warm), strict=True):
        lit = plane * even
        lit *= np.float32(bright * tint)
        lit += noise
        planes.append(cv2.convertScaleAbs(np.maximum(lit, 0, out=lit)))
    return cv2.merge(planes)
