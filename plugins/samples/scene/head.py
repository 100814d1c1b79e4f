"""Heads, in profile along the gaze or with the face out of the picture.

Inside this file the unit is the radius of the head, its middle is (0, 0), and x points where the face does.
"""

from collections.abc import Callable

import numpy as np

from plugins.samples.scene.outfit import Outfit
from plugins.samples.scene.parts import INK, Part, detail, ellipse, polygon, stroke, tone, turned
from plugins.samples.scene.pose import HEAD

EYE = np.array([0.60, 0.10])  # in profile
MIDDLE = np.array([0.10, 0.95])  # of a level head, from the neck
EYE_FROM_NECK = (EYE + MIDDLE) * HEAD  # in heights of the person
WHITE, BLACK, LIPS = (250, 250, 250), (28, 24, 30), (176, 72, 70)


def profile(outfit: Outfit) -> list[Part]:
    """A head that looks along x."""
    angle = np.linspace(-np.pi, np.pi, 40, endpoint=False)
    nose = 0.26 * np.exp(-(((angle + 0.10) / 0.15) ** 2))
    chin = 0.07 * np.exp(-(((angle + 0.95) / 0.25) ** 2))
    skull = np.stack([np.cos(angle), np.sin(angle)], 1) * (1 + nose + chin)[:, None]
    parts = _behind(outfit, side=-1) + [polygon(skull, outfit.skin, INK / HEAD)]
    parts += _hair(outfit, 1.08, 4.05, 0.62)
    parts += [
        polygon(ellipse((-0.12, -0.08), (0.16, 0.22)), tone(outfit.skin, 0.93), 0.5 * INK / HEAD),
        detail(ellipse(EYE, (0.21, 0.27)), WHITE),
        detail(ellipse(EYE + (0.10, 0), (0.125, 0.18)), BLACK),
        detail([(0.40, 0.50), (0.62, 0.53), (0.80, 0.46)], tone(outfit.hair, 0.8), 0.09),
        detail([(0.88, -0.50), (0.70, -0.54), (0.54, -0.47)], LIPS, 0.10),
    ]
    return parts + _hat(outfit, brim=1)


def front(outfit: Outfit) -> list[Part]:
    """A head that looks out of the picture."""
    parts = _behind(outfit, side=0)
    for side in (-1, 1):
        parts.append(polygon(ellipse((0.98 * side, -0.08), (0.17, 0.22)), tone(outfit.skin, 0.93), 0.6 * INK / HEAD))
    parts.append(polygon(ellipse((0, 0), (1, 1), corners=36), outfit.skin, INK / HEAD))
    parts += _hair(outfit, 0.40, np.pi - 0.40, 0.70)
    for side in (-1, 1):
        parts += [
            detail(ellipse((0.36 * side, 0.02), (0.185, 0.235)), WHITE),
            detail(ellipse((0.36 * side, 0.0), (0.125, 0.175)), BLACK),
            detail([(0.20 * side, 0.42), (0.38 * side, 0.47), (0.54 * side, 0.40)], tone(outfit.hair, 0.8), 0.08),
            detail(ellipse((0.56 * side, -0.36), (0.16, 0.10)), _blush(outfit.skin)),
        ]
    parts.append(detail([(-0.26, -0.47), (-0.13, -0.56), (0.13, -0.56), (0.26, -0.47)], LIPS, 0.10))
    parts.append(detail([(-0.03, -0.16), (0.08, -0.22), (-0.02, -0.25)], tone(outfit.skin, 0.78), 0.07))
    return parts + _hat(outfit, brim=0)


def place_head(parts: list[Part], neck: np.ndarray, pitch: float) -> tuple[list[Part], Callable]:
    """The head on a neck at (2,), turned by ``pitch`` radians upwards about it, in heights of the person.

    Returns the parts and the function that does the same with (..., 2) points.
    """

    def put(points) -> np.ndarray:
        return turned((np.asarray(points) + MIDDLE) * HEAD, pitch) + neck

    return [Part(put(p.points), p.colour, p.width * HEAD, p.contour * HEAD, p.flat) for p in parts], put


def _blush(skin: tuple) -> tuple:
    return tuple(0.8 * s + 0.2 * b for s, b in zip(skin, (235, 90, 90), strict=True))


def _hair(outfit: Outfit, start: float, stop: float, inner: float) -> list[Part]:
    """Hair from one angle round the back to another; ``inner``: its edge on the face, in radii."""
    if outfit.style == 'bald':
        return []
    angle = np.linspace(start, stop, 18)
    outer = np.stack([np.cos(angle), np.sin(angle)], 1) * 1.10
    edge = outer[::-1] / 1.10 * np.where(angle[::-1] < 2.4, inner, 0.45)[:, None]
    if outfit.style == 'curly':
        return [polygon(ellipse(p, (0.34, 0.34)), outfit.hair, 0.4 * INK / HEAD) for p in outer[1::4] * 0.93] + [
            detail(np.concatenate([outer, edge]), outfit.hair)
        ]
    return [polygon(np.concatenate([outer, edge]), outfit.hair, 0.8 * INK / HEAD)]


def _behind(outfit: Outfit, side: int) -> list[Part]:
    """Hair behind the head: long, in a tail or a bun; ``side`` -1 is the back of a profile, 0 a face."""
    if outfit.style == 'long':
        points = [(-0.75, 0.6), (-1.15, -0.3), (-1.12, -1.35), (-0.35, -1.45), (0.0, -0.4)]
        if not side:
            points = [(-1.0, 0.5), (-1.18, -0.4), (-1.1, -1.25), (1.1, -1.25), (1.18, -0.4), (1.0, 0.5)]
        return [polygon(points, tone(outfit.hair, 0.9), INK / HEAD)]
    if outfit.style == 'tail' and side:
        return [stroke([(-0.9, 0.35), (-1.4, 0.15), (-1.5, -0.6)], outfit.hair, 0.42, INK / HEAD)]
    if outfit.style in ('bun', 'tail'):
        return [polygon(ellipse((0.75 * side, 1.05), (0.42, 0.42)), outfit.hair, INK / HEAD)]
    return []


def _hat(outfit: Outfit, brim: int) -> list[Part]:
    """A cap with its peak towards the face (brim 1) or towards the viewer (0); nothing without a hat."""
    if outfit.hat is None:
        return []
    angle = np.linspace(0.32, np.pi - 0.12, 20)
    crown = np.stack([1.14 * np.cos(angle), 1.18 * np.sin(angle)], 1)
    peak = [(0.75, 0.40), (1.55, 0.34), (1.60, 0.22), (0.75, 0.24)]
    if not brim:
        angle = np.linspace(0.32, np.pi - 0.32, 20)
        crown = np.stack([1.14 * np.cos(angle), 1.18 * np.sin(angle)], 1)
        peak = ellipse((0, 0.40), (0.82, 0.17))
    return [polygon(crown, outfit.hat, INK / HEAD), polygon(peak, tone(outfit.hat, 0.82), INK / HEAD)]
