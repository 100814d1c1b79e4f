"""Soft non-maximum suppression (arXiv 1704.04503): overlapping boxes lose score instead of being removed."""

import torch
from torch import Tensor

from detplug_mmcv_ops.nms import iou_matrix, with_area

NAIVE, LINEAR, GAUSSIAN = range(3)  # as mmcv counts the methods


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Indices of the K boxes that stay, best first; their boxes and new scores are written to ``dets[:K]``.

    N steps, each of which needs the scores of the one before and synchronises with the host once (mmcv calls it with
    tensors on CPU). Of equal scores the first in the input goes first.

    Args:
        boxes: (N, 4) xyxy; sides are ``x2 - x1 + offset``.
        scores: (N,), without NaN.
        dets: (N, 5), output.
        iou_threshold: from this IoU on, a score is set to 0 (method 0) or multiplied by 1 - IoU (method 1).
        sigma: method 2 multiplies every score by exp(-IoU^2 / sigma).
        min_score: a box that falls below it is discarded.
    """
    rows = with_area(boxes, torch.arange(len(boxes), device=boxes.device), offset)
    current = scores.to(rows.dtype).clone()
    alive = torch.ones_like(current, dtype=torch.bool)
    space = rows.new_empty(3, len(boxes))
    kept, values = [], []
    for _ in range(len(boxes)):
        best = current.masked_fill(~alive, -torch.inf).argmax()
        if not alive[best]:
            break
        kept.append(best)
        values.append(current[best].clone())
        alive[best] = False
        iou = iou_matrix(rows[:, best, None], rows, offset, space)[0].clamp_(min=0)
        current *= decay(iou, iou_threshold, sigma, method)
        alive &= current >= min_score
    if not kept:
        return torch.empty(0, dtype=torch.int64, device=boxes.device)
    indices = torch.stack(kept)
    dets[: len(kept)] = torch.cat((boxes[indices], torch.stack(values)[:, None].to(boxes.dtype)), 1)
    return indices


def decay(iou: Tensor, threshold: float, sigma: float, method: int) -> Tensor:
    """What scores are multiplied by."""
    if method == GAUSSIAN:
        return (-iou.square() / sigma).exp()
    return torch.where(iou >= threshold, 1 - iou if method == LINEAR else 0.0, 1.0)
