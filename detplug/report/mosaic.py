"""Pictures of images with the truth beside the prediction."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from detplug.drawing.boxes import draw_boxes
from detplug.drawing.colours import BLACK
from detplug.drawing.text import font
from detplug.errors import ImageError
from detplug.evaluation.image_result import ImageResult
from detplug.evaluation.per_image import score_image
from detplug.images.reading import read_image

PANE = (536, 402)  # largest width, height of one picture in the mosaic, pixels
GAP, CAPTION = 8, 24
MAX_LABELS = 20  # boxes; more names than that cannot be read in a pane
KEPT_APART = 'unknown'  # what objects of ``unknown_classes`` are called in the truth
PAPER, INK = (255, 255, 255), (20, 20, 20)


def mosaic(images: Sequence[ImageResult], classes: Sequence[str], score_thr: float, columns: int = 1) -> np.ndarray:
    """(H, W, 3) uint8 BGR: each image twice, left with its truth, right with the detections from ``score_thr``.

    An image file that cannot be read gives grey panes; no images give a single blank pair.
    """
    columns = max(1, min(columns, len(images)))
    rows = max(1, -(-len(images) // columns))
    pairs = [panes(image, classes, score_thr) for image in images]
    pane_height, pane_width = (max((pair[0].shape[axis] for pair in pairs), default=PANE[1 - axis]) for axis in (0, 1))
    width, height = 2 * pane_width + 2 * GAP, pane_height + CAPTION + GAP
    paper = Image.new('RGB', (columns * width, rows * height), PAPER)
    draw = ImageDraw.Draw(paper)
    for position, (image, pair) in enumerate(zip(images, pairs, strict=True)):
        left, top = position % columns * width, position // columns * height
        for side, pane in enumerate(pair):
            paper.paste(Image.fromarray(pane[..., ::-1]), (left + side * (pane_width + GAP), top + CAPTION))
        draw.text((left, top + 3), caption(image, score_thr), fill=INK, font=font(14))
    return np.ascontiguousarray(np.asarray(paper)[..., ::-1])


def panes(image: ImageResult, classes: Sequence[str], score_thr: float) -> tuple[np.ndarray, np.ndarray]:
    """The image with its truth and with its detections, both fitted into ``PANE``.

    Ignored objects are grey, objects of unknown classes have black and white dashes, as no class has.
    """
    picture = readable(image.img_path)
    if picture is None:
        picture = np.full((max(image.height, 1), max(image.width, 1), 3), 128, np.uint8)
    scale = min(PANE[0] / picture.shape[1], PANE[1] / picture.shape[0])
    size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    factor = np.array([size[0] / max(image.width, 1), size[1] / max(image.height, 1)] * 2)
    kept = image.scores >= score_thr
    counted = ~image.gt_ignored
    ignored = np.unique(image.gt_boxes[image.gt_ignored], axis=0)  # one that may be any class is there once a class
    classes = list(classes) if KEPT_APART in classes else [*classes, KEPT_APART]
    boxes = np.concatenate([image.gt_boxes[counted], ignored, image.unknown_boxes])
    others = np.repeat([-1, classes.index(KEPT_APART)], [len(ignored), len(image.unknown_boxes)])
    labels = np.concatenate([image.gt_labels[counted], others])
    truth = draw_boxes(small, boxes * factor, labels, None, classes, MAX_LABELS, {KEPT_APART: BLACK})
    predicted = draw_boxes(
        small, image.boxes[kept] * factor, image.labels[kept], image.scores[kept], classes, MAX_LABELS
    )
    return truth, predicted


def readable(path: str) -> np.ndarray | None:
    """The picture as the detector saw it, None where there is none that can be read."""
    try:
        return read_image(path) if path else None
    except ImageError:
        return None


def caption(image: ImageResult, score_thr: float) -> str:
    """File name and counts, such as ``slide7.png  F1 0.80: 4 correct, 1 missed, 1 false, 2 on unknown objects``."""
    score = score_image(image, score_thr)
    name = Path(image.img_path).name or str(image.img_id)
    name = name if len(name) <= 48 else f'{name[:22]}…{name[-22:]}'
    counts = f'{score.true_positives} correct, {score.missed} missed, {score.false} false'
    unknown = f', {score.unknown} on unknown objects' if score.unknown else ''
    return f'{name}   F1 {score.f1:.2f}: {counts}{unknown}'
