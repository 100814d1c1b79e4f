"""Whether a network's input suits the boxes of a data set: their sizes there, and what would suit better.

M boxes, N pictures. Sizes are (width, height) in px.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STRIDE = 32  # px; sides of inputs and tiles are multiples
TINY = 4  # px: of a smaller side hardly anything is left after the first layers
WANTED = 8  # px that the smaller side of all but 1 % of the boxes should have
RARE = 0.01  # share that may be smaller


@dataclass(frozen=True)
class BoxFit:
    """Boxes of a data set as a network sees them.

    Attributes:
        pictures: (N, 2) size of each picture, or of each tile.
        sizes: (M, 2) of the boxes in px of their pictures.
        factors: (M,) network px a picture px.
        scale: (width, height) px of the network's input.
    """

    pictures: np.ndarray
    sizes: np.ndarray
    factors: np.ndarray
    scale: tuple[int, int]

    @property
    def network_sizes(self) -> np.ndarray:
        """(M, 2) sizes of the boxes at the network's input."""
        return self.sizes * self.factors[:, None]

    @property
    def tiny(self) -> int:
        """Boxes whose smaller side is below ``TINY`` px at the network's input."""
        return int((self.network_sizes.min(1, initial=np.inf) < TINY).sum())

    def describe(self) -> str:
        """One line: the sizes of the boxes at the network's input."""
        if not len(self.sizes):
            return f'no boxes in {len(self.pictures)} pictures'
        small, middle = np.quantile(self.network_sizes.min(1), [RARE, 0.5])
        large = np.quantile(self.network_sizes.max(1), 1 - RARE)
        return (
            f'{len(self.sizes)} boxes of {len(self.pictures)} pictures at {self.scale[0]}x{self.scale[1]} px: median '
            f'of the smaller side {middle:.0f} px, 1 % at most {small:.1f} px; '
            f'larger side: 1 % at least {large:.0f} px'
        )

    def advice(self) -> list[str]:
        """What would give the small boxes ``WANTED`` px: a larger input, tiles; empty where they have them."""
        if not len(self.sizes):
            return []
        smallest = np.quantile(self.network_sizes.min(1), RARE)
        if smallest >= WANTED:
            return []
        gain = WANTED / max(float(smallest), 1e-3)
        larger = [STRIDE * math.ceil(side * gain / STRIDE) for side in self.scale]
        advice = [f'1 % of the boxes have a side below {WANTED} px; an input of {larger[0]}x{larger[1]} px would do']
        tile = STRIDE * int(min(self.scale) / float(np.median(self.factors)) / gain / STRIDE)
        if STRIDE <= tile < self.pictures.max():
            widest = float(np.quantile(self.sizes.max(1), 1 - RARE))
            overlap = min(0.5, max(0.1, math.ceil(20 * widest / tile) / 20))
            advice[0] += f', or --tile {tile} --overlap {overlap:g}'
        return advice


def box_fit(items: Sequence[dict], scale: tuple[int, int], by_sides: bool = True) -> BoxFit:
    """The fit of data set items (width, height, ``instances`` with bbox xyxy px); ignored ones do not count.

    Args:
        scale: (width, height) px of the network's input.
        by_sides: a picture's width fits the first and its height the second, as Letterbox does it; else its longer side
            fits the larger and its shorter one the smaller, as mmcv's Resize does it.
    """
    pictures = np.array([(item['width'], item['height']) for item in items], np.float64).reshape(-1, 2)
    limits = np.array(scale, np.float64)
    factors = (limits / pictures).min(1) if by_sides else (np.sort(limits) / np.sort(pictures, 1)).min(1)
    boxes = [
        np.array([x['bbox'] for x in item.get('instances', ()) if not x.get('ignore_flag')], np.float64).reshape(-1, 4)
        for item in items
    ]
    sizes = np.concatenate([np.empty((0, 2)), *(part[:, 2:] - part[:, :2] for part in boxes)])
    return BoxFit(pictures, sizes, np.repeat(factors, [len(part) for part in boxes]), (int(scale[0]), int(scale[1])))
