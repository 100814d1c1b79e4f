"""What every annotation format is read into, and the one place where boxes are cleaned.

Boxes are (x1, y1, x2, y2) in pixels of the original image; edges of pixels are whole numbers, the image spans 0..w.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from detplug.errors import one_line

ROUNDING = 0.01  # px; a box that hangs over the edge by less is the rounding of the file, not an anomaly


@dataclass(slots=True)
class ObjectRecord:
    """One box: ``box`` xyxy px, ``area`` px^2 (of the mask where the file has one), ``key`` names it in messages.

    ``mask``: COCO's segmentation (polygons or RLE) where the reader was asked for it. ``score``: of a prediction.
    """

    name: str
    box: tuple[float, float, float, float]
    key: Any
    area: float | None = None
    ignored: bool = False
    mask: Any = None
    score: float | None = None


@dataclass(slots=True)
class ImageRecord:
    """One image and its boxes; an image without boxes is valid.

    ``file_name`` has slashes; ``width`` and ``height`` are px, None where the annotations do not say (``fill_sizes``).
    """

    img_id: Any
    file_name: str
    width: int | None
    height: int | None
    objects: list[ObjectRecord] = field(default_factory=list)


def clean_boxes(image: ImageRecord) -> tuple[list[ObjectRecord], list[str]]:
    """The boxes of an image that have an area inside it, clipped to the image, and a line for each change.

    Returns:
        (objects, anomalies); an anomaly reads ``KIND: FILE NAME: object KEY: details``. Nothing is changed in place.
    """
    kept, anomalies = [], []
    width, height = float(image.width), float(image.height)
    for item in image.objects:
        x1, y1, x2, y2 = item.box
        clipped = (max(x1, 0.0), max(y1, 0.0), min(x2, width), min(y2, height))
        if x2 <= x1 or y2 <= y1 or (x2 - x1) * (y2 - y1) == 0:  # a product of tiny sides is 0
            anomalies.append(f'degenerate box dropped: {_where(image, item)}')
            continue
        sides = clipped[2] - clipped[0], clipped[3] - clipped[1]
        box_area = sides[0] * sides[1]
        if min(sides) <= 0 or box_area == 0:
            anomalies.append(f'box outside the image dropped: {_where(image, item)} in {image.width}x{image.height}')
            continue
        if clipped != item.box and max(abs(a - b) for a, b in zip(item.box, clipped, strict=True)) > ROUNDING:
            anomalies.append(f'box clipped to the image: {_where(image, item)} in {image.width}x{image.height}')
        if item.area is not None and item.area <= 0:
            anomalies.append(f'area replaced by the area of the box: {_where(image, item)} has area {item.area:g}')
        area = item.area if item.area and item.area > 0 else box_area
        kept.append(item if (clipped, area) == (item.box, item.area) else replace(item, box=clipped, area=area))
    return kept, anomalies


def _where(image: ImageRecord, item: ObjectRecord) -> str:
    return f'{one_line(image.file_name)}: object {one_line(item.key)} ({one_line(item.name)}): {_show(item.box)}'


def duplicate_boxes(image: ImageRecord, iou: float = 0.9) -> list[str]:
    """A line for each pair of boxes of one name in one image that overlap by at least ``iou`` (nothing is removed)."""
    lines = []
    for i, first in enumerate(image.objects):
        for second in image.objects[i + 1 :]:
            if first.name == second.name and box_iou(first.box, second.box) >= iou:
                keys = f'{one_line(first.key)} and {one_line(second.key)} ({one_line(first.name)})'
                lines.append(
                    f'near-duplicate boxes: {one_line(image.file_name)}: objects {keys}: '
                    f'{_show(first.box)}, {_show(second.box)}'
                )
    return lines


def box_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Intersection over union of two xyxy boxes; 0 where one has no area."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def finite_number(value: Any) -> float | None:
    """``value`` as a float where it is a finite number (no bool, no text), else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e9 or not math.isfinite(value):
        return None
    return float(value)


def _show(box: tuple[float, ...]) -> str:
    return f'({", ".join(f"{x:g}" for x in box)})'
