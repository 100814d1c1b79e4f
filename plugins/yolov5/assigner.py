"""Which cells and anchors of one feature map learn which ground-truth box, and which cells learn nothing.

M boxes, A anchors, P positives, N images, H rows, W columns.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Positives(NamedTuple):
    """P pairs of a box and the anchor and cell that shall predict it; int64, (P,) each."""

    box: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor


def fitting(sizes: Tensor, anchors: Tensor, max_ratio: float = 4.0) -> Tensor:
    """(M, A) bool: neither side of the anchor is ``max_ratio`` times the box's or more, nor the reverse.

    Args:
        sizes: (M, 2) width, height. anchors: (A, 2), in the same unit.
    """
    ratio = sizes[:, None] / anchors
    return torch.maximum(ratio, 1 / ratio).amax(2) < max_ratio


def assign(boxes: Tensor, anchors: Tensor, map_size: tuple[int, int], max_ratio: float = 4.0) -> Positives:
    """Match boxes with anchors by shape and with cells by position; a box may have none, or up to 3 A of them.

    An anchor fits by :func:`fitting`. Its cells are the one that holds the box's centre and the nearer neighbour in
    each direction, where it lies inside the map.

    Args:
        boxes: (M, 4) centre x, y, width, height in cells of this map.
        anchors: (A, 2) width, height in cells.
        map_size: (H, W).

    A centre at or beyond the map's edge counts for the cell at the edge (ours). A box without area fits no anchor.
    """
    box, anchor = fitting(boxes[:, 2:], anchors, max_ratio).nonzero(as_tuple=True)
    centre = boxes[box, :2]
    last = centre.new_tensor([map_size[1] - 1, map_size[0] - 1])
    cell = centre.floor().clamp(min=centre.new_zeros(2), max=last)
    fraction = centre - cell
    before = (fraction < 0.5) & (cell > 0)
    after = (fraction > 0.5) & (cell < last)
    cells = torch.cat([torch.ones_like(before[:, :1]), before, after], 1)  # centre, left, top, right, bottom
    steps = cell.new_tensor([[0, 0], [-1, 0], [0, -1], [1, 0], [0, 1]])
    pair, step = cells.nonzero(as_tuple=True)
    column, row = (cell[pair] + steps[step]).long().unbind(1)
    return Positives(box[pair], anchor[pair], row, column)


def covered_cells(boxes: Tensor, images: Tensor, shape: tuple[int, int, int], stride: float) -> Tensor:
    """Cells whose centre lies inside a box of their image.

    Args:
        boxes: (M, 4) xyxy in pixels.
        images: (M,) index of each box's image.
        shape: (N, H, W).

    Returns:
        (N, H, W) bool.
    """
    count, rows, columns = shape
    x = (torch.arange(columns, device=boxes.device) + 0.5) * stride
    y = (torch.arange(rows, device=boxes.device) + 0.5) * stride
    in_x = (x >= boxes[:, :1]) & (x <= boxes[:, 2:3])
    in_y = (y >= boxes[:, 1:2]) & (y <= boxes[:, 3:])
    hits = boxes.new_zeros(shape).index_add_(0, images, (in_y[:, :, None] & in_x[:, None]).to(boxes.dtype))
    return hits > 0
