"""Boxes drawn on a picture, readable from one object to hundreds; needs no torch."""

from collections.abc import Mapping, Sequence
from functools import cache

import cv2
import numpy as np

from detplug.drawing.colours import Colour, class_colour
from detplug.drawing.text import line_height, write_plate
from detplug.entry_points import plugin_table

MAX_LABELS = 40  # boxes; with more of them thin frames and one legend are drawn


def draw_boxes(
    image_bgr: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray | None,
    classes: Sequence[str],
    max_labels: int = MAX_LABELS,
    dashed: Mapping[str, Colour] | None = None,
) -> np.ndarray:
    """A copy of the picture with frames in the colour of their class, and names where they stay readable.

    Args:
        image_bgr: (H, W, 3) or (H, W) uint8.
        boxes: (N, 4) xyxy pixels; parts outside the picture are cut off.
        labels: (N,) int; a label beyond ``classes`` is shown as its number, a negative one in grey
            as 'ignored'.
        scores: (N,) 0 .. 1, written behind the names; None for the truth.
        max_labels: with more boxes than this the frames are one pixel wide and a legend in the upper
            left corner names the classes and counts their boxes.
        dashed: class name -> colour under the white dashes of its frames, beside those of plugins.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    picture = np.ascontiguousarray(image_bgr if image_bgr.ndim == 3 else np.repeat(image_bgr[..., None], 3, axis=2))
    picture = picture.copy()
    count = len(boxes)
    if count == 0:
        return picture
    under = dashed_classes() | dict(dashed or {})
    order = np.arange(count) if scores is None else np.argsort(scores, kind='stable')  # the best on top
    labels = np.asarray(labels, np.int64)[order]
    height, width = picture.shape[:2]
    corners = np.asarray(boxes, np.float32)[order].clip(0, (width - 1, height - 1) * 2).astype(int)
    crowded = count > max_labels
    _frames(picture, corners, labels, classes, under, 1 if crowded else max(1, round(min(height, width) / 320)))
    if crowded:
        used, counts = np.unique(labels, return_counts=True)
        texts = [f'{class_name(label, classes)}: {n}' for label, n in zip(used.tolist(), counts, strict=True)]
        step = line_height(font_size(picture)) + 1
        stands = np.stack([np.zeros(len(used), int), (np.arange(len(used)) + 1) * step], axis=1)
        labels = used
    else:
        texts = [class_name(label, classes) for label in labels.tolist()]
        if scores is not None:
            texts = [f'{text} {score:.2f}' for text, score in zip(texts, np.asarray(scores)[order], strict=True)]
        stands = corners[:, :2]
    write_labels(picture, stands, texts, [frame_colour(label, classes, under) for label in labels.tolist()])
    return picture


def write_labels(picture: np.ndarray, stands: np.ndarray, texts: Sequence[str], colours: Sequence[Colour]) -> None:
    """Write each text on a plate of its colour (RGB) that stands on its point of ``stands`` (N, 2), in place."""
    size = font_size(picture)
    for (left, bottom), text, colour in zip(np.asarray(stands).tolist(), texts, colours, strict=True):
        write_plate(picture, left, bottom, text, size, colour)


def font_size(picture: np.ndarray) -> int:
    """Pixels, for a picture of this size."""
    return max(9, round(min(picture.shape[:2]) / 40))


def class_name(label: int, classes: Sequence[str]) -> str:
    """What is written for ``label``."""
    if label < 0:
        return 'ignored'
    return classes[label] if label < len(classes) else str(label)


@cache
def dashed_classes() -> dict[str, Colour]:
    """Class name -> colour under white dashes, of classes that a plugin's detectors add to those of the data."""
    return plugin_table('frame_styles', 'DASHED', {})


def frame_colour(label: int, classes: Sequence[str], under: Mapping[str, Colour]) -> Colour:
    """Red, green, blue of a class; ``under``: of those with dashes."""
    return under.get(class_name(label, classes)) or class_colour(label)


def _frames(
    picture: np.ndarray,
    corners: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    under: Mapping[str, Colour],
    thickness: int,
) -> None:
    for (x1, y1, x2, y2), label in zip(corners.tolist(), labels.tolist(), strict=True):
        cv2.rectangle(picture, (x1, y1), (x2, y2), frame_colour(label, classes, under)[::-1], thickness)
    with_dashes = np.array([class_name(label, classes) in under for label in labels.tolist()], bool)
    _dash(picture, corners[with_dashes], thickness)


def _dash(picture: np.ndarray, corners: np.ndarray, thickness: int, length: int = 5) -> None:
    """White dashes on the frames of (N, 4) boxes, in place."""
    rows, columns = (np.arange(n) // length % 2 == 0 for n in picture.shape[:2])
    for x1, y1, x2, y2 in corners.tolist():
        for y in (y1, y2 - thickness + 1):
            picture[max(y, 0) : y + thickness, x1:x2][:, columns[x1:x2]] = 255
        for x in (x1, x2 - thickness + 1):
            picture[y1:y2, max(x, 0) : x + thickness][rows[y1:y2]] = 255
