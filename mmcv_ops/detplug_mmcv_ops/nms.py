"""Greedy non-maximum suppression, block by block of boxes in order of score.

Letters: N boxes, B boxes of a block, T boxes of a tile of those after it.
"""

import math

import torch
from torch import Tensor

from detplug_mmcv_ops.precision import compute_dtype

BLOCK, AREA = 128, 2**16  # boxes, and numbers in a matrix of IoU: on CPU these matrices stay in the cache
DEVICE_BLOCK, DEVICE_AREA = 1024, 2**24  # elsewhere every block costs a few synchronisations with the host


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes that no better kept box overlaps by more than the threshold, best first.

    Exactly the greedy algorithm; equal scores stay in the order of the input. A box whose area is not finite (a NaN
    coordinate) neither suppresses nor is suppressed; a NaN score is the highest of all, as in ``torch.sort``.
    A block of boxes synchronises with the host about six times.

    Args:
        boxes: (N, 4) xyxy; its sides are ``x2 - x1 + offset``.
        scores: (N,).
        iou_threshold: at least 0; a box is suppressed where its IoU is greater.
        offset: 0 or 1 pixel.

    Returns:
        (K,) int64.
    """
    order = scores.sort(descending=True, stable=True).indices
    rows = with_area(boxes, order, offset)
    block, area = (BLOCK, AREA) if boxes.device.type == 'cpu' else (DEVICE_BLOCK, DEVICE_AREA)
    space = rows.new_empty(3, min(area, block * max(block, len(order))))
    kept = []
    while len(order):
        head = rows[:, :block]
        keep = greedy(iou_matrix(head, head, offset, space), iou_threshold)
        kept.append(order.index_select(0, keep))
        head, rows, order = head.index_select(1, keep), rows[:, block:], order[block:]
        tiles = rows.split(space.size(1) // len(keep), 1)
        largest = [iou_matrix(head, tile, offset, space).amax(0) for tile in tiles]
        rest = (torch.cat(largest) <= iou_threshold).nonzero()[:, 0]
        order, rows = order.index_select(0, rest), rows.index_select(1, rest)
    return torch.cat(kept) if kept else order


def with_area(boxes: Tensor, order: Tensor, offset: int) -> Tensor:
    """(5, N) x1, y1, x2, y2 and area of (N, 4) boxes, in the order given.

    Areas are above 0, so that no union is 0 and no IoU NaN; a box whose area is not finite becomes one of negative
    width, which overlaps none.
    """
    rows = boxes.to(compute_dtype(boxes)).t().index_select(1, order)
    area = (rows[2] - rows[0] + offset) * (rows[3] - rows[1] + offset)
    tiny = torch.finfo(area.dtype).tiny
    if not math.isfinite(area.sum()):
        lost = ~area.isfinite()
        rows[:2].masked_fill_(lost, 2)
        rows[2:].masked_fill_(lost, 0)
        area.masked_fill_(lost, tiny)
    return torch.cat((rows, area.clamp_(min=tiny)[None]))


def iou_matrix(first: Tensor, second: Tensor, offset: int, space: Tensor) -> Tensor:
    """(B, T) IoU of (5, B) and (5, T) boxes, at most 0 where they lie apart; it lies in ``space`` of (3, >= B * T)."""
    shape = first.size(1), second.size(1)
    width, height, other = space[:, : shape[0] * shape[1]].view(3, *shape).unbind()
    first_x1, first_y1, first_x2, first_y2, first_area = first.unsqueeze(2).unbind()
    x1, y1, x2, y2, area = second.unbind()
    torch.minimum(first_x2, x2, out=width).sub_(torch.maximum(first_x1, x1, out=other))
    torch.minimum(first_y2, y2, out=height).sub_(torch.maximum(first_y1, y1, out=other))
    if offset:
        width += offset
        height += offset
    intersection = width.clamp_(min=0).mul_(height)
    return intersection.div_(torch.add(first_area, area, out=other).sub_(intersection))


def greedy(iou: Tensor, threshold: float) -> Tensor:
    """Indices, in order of score, of the boxes kept among B with (B, B) IoU, which is overwritten.

    keep[j] = no i < j with keep[i] and iou[i, j] > threshold has one solution. Iterating settles at least one more box
    a step, and in practice all of them within a few.
    """
    iou.triu_(1)
    keep = (iou.amax(0) <= threshold).to(iou.dtype)
    space = torch.empty_like(iou)
    while True:
        update = (torch.mul(iou, keep[:, None], out=space).amax(0) <= threshold).to(iou.dtype)
        if torch.equal(update, keep):
            return keep.nonzero()[:, 0]
        keep = update
