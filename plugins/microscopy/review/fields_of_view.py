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
    fields: list[Field] = []
    for box in xywh:
        if any(field.shares(box[None])[0] > 1 - 1e-6 for field in fields):
            continue
        sides = [
            min(int(max(side, np.ceil(MARGIN * length))), limit) for length, limit in zip(box[2:], size, strict=True)
        ]
        corner = [
            int(np.clip(round(low + length / 2 - own / 2), 0, limit - own))
            for low, length, own, limit in zip(box[:2], box[2:], sides, size, strict=True)
        ]
        fields.append(Field(*corner, *sides))
    return fields
