"""Parts of a slide that training reads as pictures: squares around what was decided."""

from dataclasses import dataclass

import numpy as np

SIDE = 1024  # px, where the prediction had no tiles
MARGIN = 1.25  # times a box that is larger than the side


@dataclass(frozen=True)
class Field:
    """A part of a picture: its upper left pixel and (width, height) px."""

    x: int
    y: int
    width: int
    height: int

    def shares(self, xywh: np.ndarray) -> np.ndarray:
        """(N,) share of the area of each of (N, 4) boxes that lies inside."""
        clipped = self.clip(xywh)
        return clipped[:, 2] * clipped[:, 3] / np.maximum(xywh[:, 2] * xywh[:, 3], 1e-9)

    def clip(self, xywh: np.ndarray) -> np.ndarray:
        """(N, 4) boxes with the field's corner as origin, cut at its edges; without area where they lie outside."""
        size = np.array([self.width, self.height])
        low = xywh[:, :2] - (self.x, self.y)
        high = np.clip(low + xywh[:, 2:], 0, size)
        low = np.clip(low, 0, size)
        return np.concatenate([low, high - low], 1)


def fields_around(xywh: np.ndarray, size: tuple[int, int], side: int) -> list[Field]:
    """Fields of ``side`` px that hold each of (N, 4) boxes whole, in their order; a box in an earlier one needs none.

    A box that is larger than ``side`` gets a field of its size and a margin.
    """
    corners, ends = xywh[:, :2], xywh[:, :2] + xywh[:, 2:]
    limit, lows, highs = np.array(size), np.empty((0, 2), np.int64), np.empty((0, 2), np.int64)
    for low, high in zip(corners, ends, strict=True):
        if ((lows <= low) & (highs >= high)).all(1).any():
            continue
        sides = np.minimum(np.maximum(side, np.ceil(MARGIN * (high - low))), limit).astype(np.int64)
        corner = np.clip(np.rint((low + high - sides) / 2).astype(np.int64), 0, limit - sides)
        lows, highs = np.vstack([lows, corner]), np.vstack([highs, corner + sides])
    return [Field(*row) for row in np.hstack([lows, highs - lows]).tolist()]
