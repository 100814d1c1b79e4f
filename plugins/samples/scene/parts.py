"""Coloured shapes that persons and objects are drawn with.

In a model x points ahead, y upwards, the ground is y = 0, and the unit is the height of a person; :func:`place` turns
that into pixels. Letters: N points.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

OVERSAMPLING = 2  # things are drawn larger and shrunk: anti-aliasing
INK = 0.011  # half the width of contours
DARK = 0.42  # brightness of a contour relative to its shape
SHIFT = 4  # bits of OpenCV's fixed point coordinates
_T = np.arange(6)[:, None] / 6
CATMULL_ROM = _T ** np.arange(4) @ np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2  # (6, 4)


@dataclass(frozen=True)
class Part:
    """A filled polygon, or a stroke with round ends.

    Attributes:
        points: (N, 2) float64.
        colour: red, green, blue, 0 .. 255.
        width: of the stroke; 0 is a polygon.
        contour: half width of a dark line round it.
        flat: a detail on another part: without its own light and shade.
    """

    points: np.ndarray
    colour: tuple[float, float, float]
    width: float = 0.0
    contour: float = INK
    flat: bool = False


def stroke(points: Sequence, colour: tuple, width: float, contour: float = INK) -> Part:
    """A raised stroke through the points."""
    return Part(np.asarray(points, float), colour, width, contour)


def polygon(points: Sequence, colour: tuple, contour: float = INK) -> Part:
    """A raised polygon."""
    return Part(np.asarray(points, float), colour, 0.0, contour)


def detail(points: Sequence, colour: tuple, width: float = 0.0) -> Part:
    """A flat shape without contour, for inside another part."""
    return Part(np.asarray(points, float), colour, width, 0.0, True)


def ellipse(centre: Sequence, radii: Sequence, turn: float = 0.0, corners: int = 20) -> np.ndarray:
    """(N, 2) points of an ellipse whose first axis is turned by ``turn`` radians."""
    points = _circle(corners) * radii
    return (turned(points, turn) if turn else points) + centre


@lru_cache
def _circle(corners: int) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    """(N, 2) points turned about the origin, from x towards y."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def smooth(points: Sequence, closed: bool = True) -> np.ndarray:
    """A Catmull-Rom curve through (N, 2) points, closed or from the first to the last: (about 6 N, 2)."""
    points = np.asarray(points, float)
    around = np.concatenate([points[-1:], points, points[:2]] if closed else [points[:1], points, points[-1:]])
    four = np.stack([around[k : len(around) - 3 + k] for k in range(4)])  # the two points before, the two after
    curve = np.tensordot(four, CATMULL_ROM, (0, 1)).transpose(0, 2, 1).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, points[-1:]])


def tone(colour: tuple, brightness: float) -> tuple[float, float, float]:
    """The colour darker (below 1) or nearer to white (above 1)."""
    if brightness <= 1:
        return tuple(c * brightness for c in colour)
    return tuple(255 - (255 - c) / brightness for c in colour)


@dataclass(frozen=True)
class Placement:
    """Where a model stands: x and y of its origin in px, px a unit, and 1 or -1 for the side it faces."""

    x: float
    ground: float
    scale: float
    facing: int

    def point(self, points) -> np.ndarray:
        """(..., 2) model points in px."""
        return np.asarray(points) * self._stretch + self._origin

    @cached_property
    def _stretch(self) -> np.ndarray:
        return np.array([self.scale * self.facing, -self.scale])

    @cached_property
    def _origin(self) -> np.ndarray:
        return np.array([self.x, self.ground])

    def box(self, corners: np.ndarray) -> np.ndarray:
        """(2, 2) two corners of a box as (4,) xyxy px."""
        corners = self.point(corners)
        return np.concatenate([corners.min(0), corners.max(0)])

    def parts(self, parts: Iterable[Part]) -> list[Part]:
        """The parts in px."""
        return [
            Part(self.point(p.points), p.colour, p.width * self.scale, p.contour * self.scale, p.flat) for p in parts
        ]


def bounds(parts: Sequence[Part]) -> np.ndarray:
    """(4,) smallest x, smallest y, largest x, largest y of what is drawn; of at least one part."""
    points = np.concatenate([part.points for part in parts])
    border = np.repeat([part.width / 2 + part.contour for part in parts], [len(part.points) for part in parts])[:, None]
    return np.concatenate([(points - border).min(0), (points + border).max(0)])


class Canvas:
    """A picture that parts in px are painted on, larger by OVERSAMPLING.

    Attributes:
        rgb: (H, W, 3) uint8; None to keep only whose pixel each is.
        numbers: (H, W) int16, the number that the part which is seen was painted with, -1 for none.
        origin: x and y of the upper left corner, whole px.
    """

    def __init__(self, rgb: np.ndarray | None, shape: tuple[int, int], origin: Sequence = (0, 0)):
        self.rgb = rgb
        self.numbers = np.full(shape, -1, np.int16)
        self.origin = np.asarray(origin)
        self._painted = 0

    def paint(self, parts: Iterable[Part], number: int | None = None) -> None:
        """Lay the parts over what is there; without a number each raised part gets its own."""
        for part in parts:
            if part.flat and self.rgb is None:
                continue
            points = self._fixed(part.points)
            if self.rgb is not None:
                if part.contour:
                    colour = tuple(round(c) for c in tone(part.colour, DARK))
                    _lay(self.rgb, points, colour, (part.width, part.contour), cv2.LINE_AA)
                _lay(self.rgb, points, tuple(round(c) for c in part.colour), (part.width, 0), cv2.LINE_AA)
            if not part.flat:
                claim = self._painted if number is None else number
                if not part.width:
                    _lay(self.numbers, points, claim, (0, 0), cv2.LINE_8)
                if part.width or part.contour:
                    _lay(self.numbers, points, claim, (part.width, part.contour), cv2.LINE_8)
                self._painted += 1

    def _fixed(self, points: np.ndarray) -> np.ndarray:
        """px to OpenCV's fixed point coordinates of pixel centres, oversampled."""
        return np.rint((points - self.origin) * (OVERSAMPLING << SHIFT) - (1 << SHIFT) / 2).astype(np.int32)


def _lay(picture: np.ndarray, points: np.ndarray, colour: tuple | int, widths: tuple, kind: int) -> None:
    """A stroke or a line round a polygon, or a filled polygon where ``widths`` (stroke, contour) px are 0."""
    if any(widths):
        thickness = max(1, round((widths[0] + 2 * widths[1]) * OVERSAMPLING))
        cv2.polylines(picture, [points], not widths[0], colour, thickness, kind, SHIFT)
    else:
        cv2.fillPoly(picture, [points], colour, kind, SHIFT)
