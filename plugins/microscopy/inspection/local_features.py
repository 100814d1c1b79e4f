"""SIFT features of images (Lowe 2004), and which images share so many with one shift that they may overlap.

N images, D features in all. An image is made small so that its longer side has SIDE px; shifts are in these px.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

SIDE = 320  # px, longer side of the image in which features are found
MOST = 200  # features of an image, the strongest
CONTRAST = 0.02  # of SIFT; half of OpenCV's, for pale cells
ALIKE = 0.8  # cosine of two descriptors that may be of one spot
NEAREST = 3  # features of other images that each one is matched with at most
CELL = 500  # features in a cell, about; matches are looked for in cells
CELLS_TRIED = 2  # nearest cells of each feature
TOLERANCE = 3.0  # px between the shifts of matches that agree
AGREEING = 3  # matches with one shift that make a pair a candidate


@dataclass(frozen=True)
class Features:
    """``points`` (D, 2) x, y px; ``descriptors`` (D, 128) float32 of length 1."""

    points: np.ndarray
    descriptors: np.ndarray


def small_grey(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 BGR as grey with a longer side of SIDE px."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    scale = SIDE / max(grey.shape)
    size = tuple(max(1, round(side * scale)) for side in grey.shape[::-1])
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def features_of(grey: np.ndarray) -> Features:
    """The strongest features of an image that :func:`small_grey` made."""
    points, descriptors = cv2.SIFT_create(nfeatures=MOST, contrastThreshold=CONTRAST).detectAndCompute(grey, None)
    if descriptors is None:
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    descriptors = descriptors[:MOST] / np.linalg.norm(descriptors[:MOST], axis=1, keepdims=True)
    return Features(np.array([point.pt for point in points[:MOST]], np.float32), descriptors.astype(np.float32))


def shifted_pairs(features: Sequence[Features]) -> list[tuple[int, int, tuple[float, float]]]:
    """(i, j, shift x, y px) of images i < j of which at least AGREEING features match with one shift, best pairs first.

    A point p of image i lies at p - shift in image j.
    """
    owner = np.repeat(np.arange(len(features)), [len(x.points) for x in features])
    if len(owner) < 2:
        return []
    points = np.concatenate([x.points for x in features])
    a, b = matches(np.concatenate([x.descriptors for x in features]), owner)
    swap = owner[a] > owner[b]
    a, b = np.where(swap, b, a), np.where(swap, a, b)
    pair = owner[a].astype(np.int64) * len(features) + owner[b]
    order = np.argsort(pair, kind='stable')
    pair, a, b = pair[order], a[order], b[order]
    starts = np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]])
    found = []
    for start, end in zip(starts, [*starts[1:], len(pair)], strict=True):
        if end - start >= AGREEING:
            shifts = points[a[start:end]] - points[b[start:end]]
            agree = (np.abs(shifts[:, None] - shifts).max(2) < TOLERANCE).sum(1)
            best = int(agree.argmax())
            if agree[best] >= AGREEING:
                near = np.abs(shifts - shifts[best]).max(1) < TOLERANCE
                i, j = divmod(int(pair[start]), len(features))
                found.append((int(agree[best]), i, j, tuple(np.median(shifts[near], 0).tolist())))
    return [(i, j, shift) for _, i, j, shift in sorted(found, key=lambda x: (-x[0], x[1], x[2]))]


def matches(descriptors: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (a, b) of features of different images that are alike, each pair once.

    Features are compared within cells around randomly drawn ones: of all pairs a few are missed, and the time grows
    with D alone.
    """
    cells = max(1, len(descriptors) // CELL)
    centres = descriptors[np.random.default_rng(0).choice(len(descriptors), cells, replace=False)]
    tried = np.concatenate(
        [
            np.argsort(-(descriptors[k : k + 20_000] @ centres.T), axis=1)[:, :CELLS_TRIED]
            for k in range(0, len(descriptors), 20_000)
        ]
    )
    pairs = [
        _in_cell(np.flatnonzero(tried[:, 0] == cell), np.flatnonzero((tried == cell).any(1)), descriptors, owner)
        for cell in range(cells)
    ]
    a, b = (np.concatenate(column) for column in zip(*pairs, strict=True))
    low, high = np.minimum(a, b), np.maximum(a, b)
    code = np.unique(low.astype(np.int64) * len(descriptors) + high)
    return code // len(descriptors), code % len(descriptors)


def _in_cell(
    asking: np.ndarray, there: np.ndarray, descriptors: np.ndarray, owner: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The NEAREST features ``there`` of other images for each one that asks."""
    first, second = [], []
    for k in range(0, len(asking), 2000):
        rows = asking[k : k + 2000]
        alike = descriptors[rows] @ descriptors[there].T
        row, column = np.nonzero(alike >= ALIKE)
        other = owner[rows[row]] != owner[there[column]]
        row, column = row[other], column[other]
        order = np.lexsort([column, -alike[row, column], row])
        row, column = row[order], column[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)  # 0 for the nearest of each row
        first.append(rows[row[rank < NEAREST]])
        second.append(there[column[rank < NEAREST]])
    empty = [np.zeros(0, np.int64)]
    return np.concatenate(first or empty), np.concatenate(second or empty)
