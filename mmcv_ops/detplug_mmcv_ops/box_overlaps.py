"""Overlap of boxes."""

import torch
from torch import Tensor

from detplug_mmcv_ops.precision import compute_dtype


def bbox_overlaps(bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int) -> None:
    """Write the IoU (mode 0) or the intersection over the first box's area (mode 1) into ``ious``.

    Args:
        bboxes1: (M, 4) xyxy; sides are ``x2 - x1 + offset``.
        bboxes2: (N, 4).
        ious: (M, N), or (M,) for pairs of a row each where ``aligned``. NaN where both areas are 0.
    """
    first, second = (boxes.to(compute_dtype(boxes)) for boxes in (bboxes1, bboxes2))
    if not aligned:
        first = first[:, None]
    sides = torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])
    intersection = (sides + offset).clamp_(min=0).prod(-1)
    area = (first[..., 2:] - first[..., :2] + offset).prod(-1)
    if mode == 0:
        area = area + (second[..., 2:] - second[..., :2] + offset).prod(-1) - intersection
    ious.copy_(intersection / area)
