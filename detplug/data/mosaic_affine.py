"""Mosaic, scale, translation, flips and quarter turns in one resize per source image, straight into the canvas.

The recipe is YOLOv5's (four images around a random centre of a plane twice the canvas, scale 0.5-1.5, translate 0.1,
horizontal flip 0.5). mmdet's Mosaic followed by RandomAffine makes a plane of four times the pixels, copies each source
twice and warps the whole plane: 4.9 ms of one core a sample at 320 px in place of 0.7 (benchmarks/loader.py: mmdet_ms,
natural_ms), where a training step has about 35 ms an image. Ours: there is neither rotation nor shear, so boxes
stay tight and cv2.resize (a fifth of the time of cv2.warpAffine) is enough; sources are not cut at the border of the
plane; each source has its own flips and turn.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

CORNERS = ((-1, -1), (0, -1), (-1, 0), (0, 0))  # where a source lies from the centre, in sizes of itself


class Orientation(NamedTuple):
    """One of the eight symmetries of a rectangle: swap x and y first, then mirror."""

    swap: bool
    mirror_x: bool
    mirror_y: bool


class Placement(NamedTuple):
    """One axis of a source on the canvas: source pixels ``start:stop`` become canvas pixels ``left:right``."""

    start: int
    stop: int
    left: int
    right: int

    @property
    def gain(self) -> float:
        """Canvas px per source px."""
        return (self.right - self.left) / (self.stop - self.start)


@TRANSFORMS.register_module()
class MosaicAffine(BaseTransform):
    """Fuse mosaic and axis-aligned affine; used in the pipeline of a mixing data set, which gives ``mix_results``.

    Random numbers come from Python's ``random``, which SeededDataset seeds for every draw.

    Args:
        scale: (width, height) px of the canvas; sources should fit it (LoadResizedImage).
        prob: probability of a mosaic; otherwise the image alone is centred, scaled and shifted.
        zoom: range of the scale factor.
        shift: largest translation, as a share of the canvas, in each direction.
        flips: probability of a horizontal, a vertical flip and of a swap of x and y, drawn for each source; all at 0.5
            give the eight turns and flips with equal shares.
        pad_val: grey value where no source lies.
        min_side: px; a box that is narrower or lower after clipping is dropped.
        min_visible: a box of which a smaller share lies on the canvas is dropped (ignore regions stay).

    Reads and writes img (uint8 BGR), gt_bboxes ((N, 4) numpy xyxy px), gt_bboxes_labels, gt_ignore_flags; sets
    img_shape and mosaic_img_ids. Inputs are not changed in place.
    """

    def __init__(
        self,
        scale: tuple[int, int],
        prob: float = 1.0,
        zoom: tuple[float, float] = (0.5, 1.5),
        shift: float = 0.1,
        flips: tuple[float, float, float] = (0.5, 0.0, 0.0),
        *,
        pad_val: int = 114,
        min_side: float = 2.0,
        min_visible: float = 0.1,
    ) -> None:
        self.scale, self.prob, self.zoom, self.shift, self.flips = tuple(scale), prob, zoom, shift, flips
        self.pad_val, self.min_side, self.min_visible = pad_val, min_side, min_visible

    def get_indexes(self, dataset) -> list[int]:
        """Three random partners, or none where this draw is no mosaic."""
        return [random.randrange(len(dataset)) for _ in range(3)] if random.random() < self.prob else []

    def transform(self, results: dict) -> dict:
        sources = [results, *results.pop('mix_results', [])]
        width, height = self.scale
        canvas = np.full((height, width, 3), self.pad_val, dtype=np.uint8)
        zoom = random.uniform(*self.zoom)
        meet = [side * self._meeting_share(zoom, len(sources) > 1) for side in self.scale]
        corners = CORNERS if len(sources) > 1 else ((-0.5, -0.5),)
        boxes = [
            self._draw(source, corner, meet, zoom, canvas) for source, corner in zip(sources, corners, strict=True)
        ]
        results['img'], results['img_shape'] = canvas, (height, width)
        self._gather_boxes(results, sources, np.concatenate(boxes))
        results['mosaic_img_ids'] = [source.get('img_id') for source in sources]
        return results

    def _meeting_share(self, zoom: float, mosaic: bool) -> float:
        """Where the sources meet, as a share of a canvas side: the plane's middle is shifted, a mosaic's centre too."""
        middle = 0.5 + random.uniform(-self.shift, self.shift)
        return middle + zoom * random.uniform(-0.5, 0.5) if mosaic else middle

    def _draw(
        self, source: dict, corner: Sequence[float], meet: Sequence[float], zoom: float, canvas: np.ndarray
    ) -> np.ndarray:
        """Draw one source; returns its (N, 4) boxes in canvas px, not clipped."""
        image, boxes = source['img'], source['gt_bboxes']
        turn = Orientation(*(random.random() < p for p in (self.flips[2], *self.flips[:2])))
        size = image.shape[:2] if turn.swap else image.shape[1::-1]
        axes = [
            place(length, point + zoom * length * share, zoom, limit)
            for length, point, share, limit in zip(size, meet, corner, self.scale, strict=True)
        ]
        if None in axes:
            return np.full_like(boxes, -1)  # wholly outside the canvas
        draw(image, turn, axes, canvas)
        return move_boxes(boxes, turn, size, axes)

    def _gather_boxes(self, results: dict, sources: list[dict], boxes: np.ndarray) -> np.ndarray:
        """Clip the boxes to the canvas and keep those of which enough is left, with their labels and flags.

        Returns:
            (N,) bool: of all sources' boxes, those that are kept.
        """
        clipped = np.minimum(np.maximum(boxes, 0), np.array(self.scale * 2, dtype=np.float32))
        sides, whole = clipped[:, 2:] - clipped[:, :2], boxes[:, 2:] - boxes[:, :2]
        area = sides[:, 0] * sides[:, 1]
        labels, ignored = (np.concatenate([s[key] for s in sources]) for key in ('gt_bboxes_labels', 'gt_ignore_flags'))
        visible = (area >= self.min_visible * whole[:, 0] * whole[:, 1]) | ignored
        kept = visible & (sides.min(axis=1, initial=np.inf) >= self.min_side)
        results['gt_bboxes'], results['gt_bboxes_labels'] = clipped[kept], labels[kept]
        results['gt_ignore_flags'] = ignored[kept]
        return kept


def place(length: int, origin: float, zoom: float, limit: int) -> Placement | None:
    """The part of a source axis that shows on a canvas axis, in whole pixels of both; None where nothing shows.

    Args:
        length: px of the source.
        origin: canvas px where the source begins, may be negative.
        zoom: wanted canvas px per source px; the exact one is ``Placement.gain`` (rounding; under 1 px in all).
        limit: px of the canvas; the placement may reach over it by less than ``zoom`` px.
    """
    start = max(0, int((0 - origin) // zoom))
    stop = min(length, int(-((origin - limit) // zoom)))
    left, right = round(origin + zoom * start), round(origin + zoom * stop)
    return Placement(start, stop, left, right) if start < stop and max(left, 0) < min(right, limit) else None


def draw(image: np.ndarray, turn: Orientation, axes: Sequence[Placement], canvas: np.ndarray) -> None:
    """Resize the visible part of ``image`` onto ``canvas``, in place; ``axes`` are x and y after the turn."""
    size = image.shape[:2] if turn.swap else image.shape[1::-1]
    spans = []
    for axis, mirror, length in zip(axes, turn[1:], size, strict=True):
        spans.append(slice(length - axis.stop, length - axis.start) if mirror else slice(axis.start, axis.stop))
    part = image[spans[0], spans[1]] if turn.swap else image[spans[1], spans[0]]
    if turn.swap:
        part = cv2.transpose(part)
    if turn.mirror_x or turn.mirror_y:
        part = cv2.flip(part, -1 if turn.mirror_x and turn.mirror_y else int(turn.mirror_x))
    x, y = axes
    part = cv2.resize(part, (x.right - x.left, y.right - y.left), interpolation=cv2.INTER_LINEAR)
    height, width = canvas.shape[:2]
    canvas[max(y.left, 0) : min(y.right, height), max(x.left, 0) : min(x.right, width)] = part[
        max(-y.left, 0) : height - y.left, max(-x.left, 0) : width - x.left
    ]


def move_boxes(boxes: np.ndarray, turn: Orientation, size: Sequence[int], axes: Sequence[Placement]) -> np.ndarray:
    """(N, 4) xyxy boxes in source px -> canvas px; ``size`` is (width, height) of the turned source."""
    columns = [[0, 2], [1, 3]]
    if turn.swap:
        columns.reverse()
    moved = np.empty_like(boxes)
    for k, (axis, mirror) in enumerate(zip(axes, turn[1:], strict=True)):
        span = boxes[:, columns[k]]
        if mirror:
            span = size[k] - span[:, ::-1]
        moved[:, k::2] = (span - axis.start) * axis.gain + axis.left
    return moved
