"""Images that show the same: copies, turned or mirrored copies, and fields of view that overlap.

Candidates come from local features with one shift and from thumbnails in all eight orientations; the pixels decide: the
part that both show must correlate, without the light (which dust on the camera would pass) and without noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from detplug.images.window import Window

from .local_features import shifted_pairs, small_grey
from .statistics import ImageStatistics, band_pass, read_small, unit

SAME = 0.85  # correlation of what both show: overlaps of blood smears .91 and more, others .74 and less
OTHER_COLOUR = 12.0  # CIELAB a, b between whole images: one ground in another colour repeats the grain, no scene
COPY = 0.97  # correlation from which they show the same whatever their colours: one is a grey or tinted copy
LEAST_SHARED = 0.08  # of the smaller image; smaller overlaps are chance too often
THUMBS_ALIKE = 0.9  # cosine of thumbnails that makes a candidate
ROWS = 500  # of thumbnails compared at once
KEPT = 64  # images in memory while pairs are checked


@dataclass(frozen=True)
class DuplicatePair:
    """Images ``first`` < ``second`` (numbers) that show the same.

    Attributes:
        shared: part of the smaller image that both show, 0 to 1.
        correlation: of that part.
        turned: whether the second is a mirrored or turned copy.
    """

    first: int
    second: int
    shared: float
    correlation: float
    turned: bool = False


def near_duplicates(
    paths: Sequence[Path], statistics: Sequence[ImageStatistics], window: Window | None = None
) -> list[DuplicatePair]:
    """All pairs, in order of their numbers; ``statistics`` belong to ``paths``."""

    @lru_cache(KEPT)
    def band(number: int) -> np.ndarray:
        return band_pass(small_grey(read_small(paths[number], window)))

    def check(i: int, j: int, shift: tuple[float, float], turn: int = 0) -> None:
        pair = overlapping(band(i), turned(band(j), turn), shift)
        if pair is None:
            return
        distance = float(np.hypot(*np.subtract(statistics[i].colour, statistics[j].colour)))
        if distance < OTHER_COLOUR or pair[1] >= COPY:
            pairs[i, j] = DuplicatePair(i, j, *pair, turned=turn > 0)

    pairs: dict[tuple[int, int], DuplicatePair] = {}
    for i, j, shift in sorted(shifted_pairs([x.features for x in statistics])):
        check(i, j, shift)
    for i, j, turn in turned_candidates(np.array([x.thumbnail for x in statistics])):
        if (i, j) not in pairs:
            check(i, j, (0.0, 0.0), turn)
    return [pairs[key] for key in sorted(pairs)]


def overlapping(a: np.ndarray, b: np.ndarray, shift: tuple[float, float]) -> tuple[float, float] | None:
    """(share of the smaller one, correlation) of what two images show if p in ``a`` is p - shift in ``b``.

    Returns:
        None where they share too little or it does not correlate.
    """
    x, y = (round(side) for side in shift)
    left, right = max(0, x), min(a.shape[1], b.shape[1] + x)
    top, bottom = max(0, y), min(a.shape[0], b.shape[0] + y)
    if right <= left or bottom <= top:
        return None
    shared = (right - left) * (bottom - top) / min(a.size, b.size)
    if shared < LEAST_SHARED:
        return None
    correlation = float((unit(a[top:bottom, left:right]) * unit(b[top - y : bottom - y, left - x : right - x])).sum())
    return (shared, correlation) if correlation >= SAME else None


def turned(image: np.ndarray, turn: int) -> np.ndarray:
    """One of the eight orientations: ``turn`` % 4 quarter turns, mirrored from 4 on; 0 leaves it."""
    return np.rot90(image[:, ::-1] if turn >= 4 else image, turn % 4)


def turned_candidates(thumbnails: np.ndarray) -> list[tuple[int, int, int]]:
    """(i, j, turn): the thumbnail (T, T) of image j, turned, is like that of image i < j."""
    count = len(thumbnails)
    if not count:
        return []
    flat = thumbnails.reshape(count, -1).astype(np.float32)
    found = []
    for turn in range(8):
        other = np.stack([turned(thumb, turn) for thumb in thumbnails]).reshape(count, -1).astype(np.float32)
        for start in range(0, count, ROWS):
            row, column = np.nonzero(flat[start : start + ROWS] @ other.T >= THUMBS_ALIKE)
            found += [(start + i, j, turn) for i, j in zip(row.tolist(), column.tolist(), strict=True) if start + i < j]
    return found
