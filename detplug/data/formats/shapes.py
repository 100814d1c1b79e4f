"""The boxes of shapes that annotation tools draw, xyxy px."""

import math
from collections.abc import Sequence

Box = tuple[float, float, float, float]


def of_points(points: Sequence[tuple[float, float]]) -> Box:
    """Of a polygon or line."""
    x, y = zip(*points, strict=True)
    return min(x), min(y), max(x), max(y)


def of_rectangle(x: float, y: float, width: float, height: float, degrees: float = 0.0, about: str = 'corner') -> Box:
    """Of a rectangle that is turned clockwise about its upper left ``corner`` or its ``centre``."""
    if not degrees:
        return x, y, x + width, y + height
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    fixed = (x, y) if about == 'corner' else (x + width / 2, y + height / 2)
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    return of_points(
        [
            (fixed[0] + (a - fixed[0]) * cosine - (b - fixed[1]) * sine,
             fixed[1] + (a - fixed[0]) * sine + (b - fixed[1]) * cosine)
            for a, b in corners
        ]
    )  # fmt: skip


def of_ellipse(x: float, y: float, rx: float, ry: float, radians: float = 0.0) -> Box:
    """Of an ellipse with the centre (x, y), turned about it."""
    wide = math.hypot(rx * math.cos(radians), ry * math.sin(radians))
    high = math.hypot(rx * math.sin(radians), ry * math.cos(radians))
    return x - wide, y - high, x + wide, y + high
