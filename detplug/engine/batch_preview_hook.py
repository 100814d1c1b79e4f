"""The first batch of a training as the network sees it, with its boxes: what augmentation makes of the data."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.registry import HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook

MOST, COLUMNS, PANE, GAP = 8, 4, 320, 6  # pictures, beside one another; px
HEADING = 'A batch of the training'
NOTE = 'The first batch of this run after augmentation, as the network gets it; frames are what it has to learn.'


@HOOKS.register_module()
class BatchPreviewHook(Hook):
    """Keeps up to 8 pictures of the first batch for the report; of a batch without pictures none.

    A batch of several branches (labelled, unlabelled) gives pictures of each in turn.

    Attributes:
        pictures: ((H, W, 3) uint8 BGR, boxes (N, 4) xyxy px, labels (N,)) of the batch.
    """

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.pictures: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._seen = False

    def before_train(self, runner: Any) -> None:
        self.pictures, self._seen = [], False

    @master_only
    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Copy what the report will draw; only of the first step."""
        if self._seen:
            return
        self._seen = True
        self.pictures = [drawable(*pair) for pair in pairs_of(data_batch)[:MOST]]

    def report_pictures(self, runner: Any) -> dict[str, tuple[str, np.ndarray]]:
        """Heading -> (explanation, picture) for the report of the training; nothing without pictures."""
        if not self.pictures:
            return {}
        classes = tuple(runner.train_dataloader.dataset.metainfo['classes'])
        return {HEADING: (NOTE, contact_sheet(self.pictures, classes))}


def pairs_of(batch: Any) -> list[tuple[torch.Tensor, Any]]:
    """(picture (3, H, W), data sample) of a batch as the loader gives it, those of several branches in turn."""
    inputs, samples = (
        (batch.get(key) for key in ('inputs', 'data_samples')) if isinstance(batch, Mapping) else (None,) * 2
    )
    if isinstance(inputs, Mapping):
        branches = [pairs_of(dict(inputs=inputs[key], data_samples=samples[key])) for key in inputs]
        return [pair for pair in chain(*zip_longest(*branches)) if pair is not None]
    if not isinstance(inputs, Iterable) or not isinstance(samples, Sequence):
        return []
    pairs = zip(inputs, samples, strict=False)
    return [(x, y) for x, y in pairs if isinstance(x, torch.Tensor) and x.ndim == 3 and len(x) == 3]


def drawable(image: torch.Tensor, sample: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture, boxes and labels as arrays; a picture without labels has no boxes."""
    picture = image.detach().cpu().float().clamp(0, 255).byte().permute(1, 2, 0).numpy().copy()
    truth = getattr(sample, 'gt_instances', None)
    if truth is None or 'bboxes' not in truth or 'labels' not in truth:
        return picture, np.zeros((0, 4), np.float32), np.zeros(0, int)
    boxes = getattr(truth.bboxes, 'tensor', truth.bboxes)
    return picture, boxes.detach().cpu().float().numpy().reshape(-1, 4), truth.labels.cpu().numpy()


def contact_sheet(pictures: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], classes: Sequence[str]) -> np.ndarray:
    """(H, W, 3) uint8 BGR: the pictures in rows of four, each fitted into 320 px, with frames and names."""
    from detplug.drawing.boxes import draw_boxes  # drawing loads fonts; trainings without a report do without

    rows = -(-len(pictures) // COLUMNS)
    columns = min(COLUMNS, len(pictures))
    sheet = np.full((rows * (PANE + GAP) - GAP, columns * (PANE + GAP) - GAP, 3), 255, np.uint8)
    for position, (picture, boxes, labels) in enumerate(pictures):
        scale = PANE / max(picture.shape[:2])
        width, height = (max(1, round(side * scale)) for side in picture.shape[1::-1])
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        top, left = (place * (PANE + GAP) for place in divmod(position, COLUMNS))
        sheet[top : top + height, left : left + width] = draw_boxes(small, boxes * scale, labels, None, classes)
    return sheet
