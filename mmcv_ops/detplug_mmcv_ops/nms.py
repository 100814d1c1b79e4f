"""Greedy non-maximum suppression.

Letters: N boxes, B boxes of a block, R boxes after the block.
"""

import torch
from torch import Tensor

from detplug_mmcv_ops.precision import compute_dtype

BLOCK = 128  # boxes; on CPU small enough that a block's matrix stays in the cache
DEVICE_BLOCK = 2048  # elsewhere each block costs a few synchronisations with the host


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes that no better kept box overlaps by more than the threshold, best first.

    Exactly the greedy algorithm; equal scores stay in the order of the input. A box with a NaN coordinate neither
    suppresses nor is suppressed; a NaN score is the highest of all (as in ``torch.sort`` and the compiled operator).

    Args:
        boxes: (N, 4) xyxy; its sides are ``x2 - x1 + offset``.
        scores: (N,).
        iou_threshold: a box is suppressed where its IoU is greater.
        offset: 0 or 1 pixel.

    Returns:
        (K,) int64.
    """
    order = scores.sort(descending=True, stable=True).indices
    corners = boxes.to(compute_dtype(boxes)).index_select(0, order)
    areas = (corners[:, 2:] - corners[:, :2] + offset).prod(1)
    block = BLOCK if boxes.device.type == 'cpu' else DEVICE_BLOCK
    kept = []
    while len(order):
        head, head_areas = corners[:block], areas[:block]
        overlap = overlaps(head, head_areas, corners, areas, offset) > iou_threshold
        keep = greedy(overlap[:, : len(head)])
        kept.append(order[:block][keep])
        rest = ~(overlap[keep][:, len(head) :].any(0))
        order, corners, areas = order[block:][rest], corners[block:][rest], areas[block:][rest]
    return torch.cat(kept) if kept else order


def overlaps(first: Tensor, first_areas: Tensor, second: Tensor, second_areas: Tensor, offset: int) -> Tensor:
    """(B, R) IoU of (B, 4) and (R, 4) xyxy boxes whose areas are known; NaN where both areas are zero."""
    low = torch.maximum(first[:, None, :2], second[:, :2])
    high = torch.minimum(first[:, None, 2:], second[:, 2:])
    sides = (high - low + offset).clamp_(min=0)
    intersection = sides[..., 0] * sides[..., 1]
    return intersection / (first_areas[:, None] + second_areas - intersection)


def greedy(overlap: Tensor) -> Tensor:
    """(B,) which of B boxes in order of score are kept, given (B, B) whether one suppresses another.

    keep[j] = no i < j with keep[i] and overlap[i, j] has one solution; iterating from "all kept" settles at least one
    more box a step, and in practice all of them within a few.
    """
    suppresses = overlap.triu(1)
    keep = ~suppresses.new_zeros(len(overlap))
    while True:
        update = ~(suppresses & keep[:, None]).any(0)
        if torch.equal(update, keep):
            return keep
        keep = update
