"""Detections of many images as arrays, checked; what every reader of this package makes.

Letters: R detections of all images, D of one image, P pairs, E and U numbers of a feature.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from detplug.errors import UserError, one_line

LARGEST = 1e6  # px


@dataclass(frozen=True)
class ImageDetections:
    """``boxes`` (D, 4) float32 xyxy px of the original image, ``labels`` (D,) int64, ``scores`` (D,) float32 0..1;
    ``features`` (D, E) and ``unions`` (D, D, U) float32, 0 where a pair has none, or None."""

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    features: np.ndarray | None = None
    unions: np.ndarray | None = None


@dataclass(frozen=True)
class DetectionTable:
    """Detections of all images in the order of the images.

    ``starts``: image -> (first, last + 1) row; ``labels`` (R,) index ``names``, the class names of the file.
    """

    starts: Mapping[str, tuple[int, int]]
    names: tuple[str, ...]
    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


def make_table(
    images: Sequence[str], classes: Sequence[str], boxes: np.ndarray, scores: np.ndarray, empty: Sequence[str] = ()
) -> DetectionTable:
    """A table from one entry a detection: ``images`` and ``classes`` (R,) names, (R, 4) xyxy, (R,).

    Args:
        empty: images that were looked at and have no detection.
    """
    keys = list(dict.fromkeys(images))
    number = {key: i for i, key in enumerate(keys)}
    names = tuple(dict.fromkeys(classes))
    label = {name: i for i, name in enumerate(names)}
    image = np.fromiter((number[key] for key in images), np.int64, len(images))
    order = np.argsort(image, kind='stable')
    edges = [0, *np.cumsum(np.bincount(image, minlength=len(keys))).tolist()]
    starts = dict(zip(keys, pairwise(edges), strict=True))
    starts = {key: (0, 0) for key in empty} | starts
    labels = np.fromiter((label[name] for name in classes), np.int32, len(classes))
    return DetectionTable(
        starts, names, boxes[order].astype(np.float32), labels[order], scores[order].astype(np.float32)
    )


def check_values(boxes: np.ndarray, scores: np.ndarray, where: Callable[[int], str], whole: bool = True) -> None:
    """Refuse what is no detection.

    Args:
        boxes: (R, 4) xyxy; scores: (R,).
        where: row -> how a message begins.
        whole: these are all detections of a file, not of one image, whose boxes may all be small.

    Raises:
        UserError: not finite, a negative side, a score outside 0..1, boxes that are shares of the image.
    """
    box_ok = np.isfinite(boxes).all(1) & (np.abs(boxes) <= LARGEST).all(1) & (boxes[:, 2:] >= boxes[:, :2]).all(1)
    if not box_ok.all():
        row = int(np.argmin(box_ok))
        raise UserError(
            f'{where(row)}: box: {boxes[row].tolist()} (x1, y1, x2, y2) is no box in pixels; correct the corners'
        )
    with np.errstate(invalid='ignore'):
        score_ok = (scores >= 0) & (scores <= 1)
    if not score_ok.all():
        row = int(np.argmin(score_ok))
        raise UserError(f'{where(row)}: score: {scores[row]:g} is not from 0 to 1; divide percent by 100')
    if whole and len(boxes) > 1 and boxes.max() <= 1:
        raise UserError(f'{where(0)}: box: no coordinate of the file is above 1; give pixels, not shares of the image')


def class_labels(
    names: Sequence[str], classes: Sequence[str], rename: Mapping[str, str | None], source: str
) -> np.ndarray:
    """(len(names),) int64 label of each class name of a file, -1 where ``rename`` says None.

    Raises:
        UserError: a name that is no class of the data set.
    """
    label = {name: i for i, name in enumerate(classes)}
    wanted = [rename.get(name, name) for name in names]
    unknown = [name for name, new in zip(names, wanted, strict=True) if new is not None and new not in label]
    if unknown:
        listed = ', '.join(list(classes)[:8]) + (', ...' if len(classes) > 8 else '')
        raise UserError(
            f'{source}: class: {one_line(unknown[0])} is no class of the data ({listed}); change the file, or give '
            "FileProposals rename={'NAME': 'CLASS'}, which renames one; None in place of CLASS leaves its boxes out"
        )
    return np.array([-1 if new is None else label[new] for new in wanted], np.int64)
