"""Groups of the boxes that non-maximum suppression merges (PISA, arXiv 1904.04821)."""

import torch
from torch import Tensor

from detplug_mmcv_ops.nms import greedy, iou_matrix, with_area


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Each kept box followed by the boxes that it suppresses, in order of score.

    Args:
        dets: (N, 5) xyxy and score; needs memory of 5 * N * N numbers. Ties and NaN as in ``nms``.
        iou_threshold: above 0; unlike ``nms`` an equal IoU suppresses too.
    """
    order = dets[:, 4].sort(descending=True, stable=True).indices
    rows = with_area(dets[:, :4], order, offset=0)
    below = torch.nextafter(rows.new_tensor(iou_threshold), rows.new_tensor(0)).item()
    iou = iou_matrix(rows, rows, 0, rows.new_empty(3, len(order) ** 2))
    keep = greedy(iou.clone(), below)
    by = (iou[keep] > below).to(torch.uint8).argmax(0)  # the first kept box that overlaps each one
    by[keep] = torch.arange(len(keep), device=keep.device)
    sizes = by.bincount(minlength=len(keep)).tolist()
    return [group.tolist() for group in order[by.argsort(stable=True)].cpu().split(sizes)]
