"""YOLOv5's boxes as network outputs: an offset inside +-1 cell and a size of 0 to 4 anchors, through sigmoids."""

import torch
from torch import Tensor


def decode(logits: Tensor, cells: Tensor, anchors: Tensor, stride: float | Tensor) -> Tensor:
    """Boxes of the network's outputs.

    Args:
        logits: (..., 4), x, y, width, height.
        cells: (..., 2), column and row of the cell.
        anchors: (..., 2), width and height in pixels.
        stride: pixels a cell; a number or (..., 1).

    Returns:
        (..., 4) corners x1, y1, x2, y2 in pixels of the network's input.
    """
    doubled = 2 * logits.sigmoid()
    centre = (doubled[..., :2] - 0.5 + cells) * stride
    half = doubled[..., 2:].square() * anchors / 2
    return torch.cat([centre - half, centre + half], -1)


def encode(boxes: Tensor, cells: Tensor, anchors: Tensor, stride: float | Tensor) -> Tensor:
    """The outputs that :func:`decode` turns into ``boxes`` (..., 4) xyxy pixels; its inverse.

    Infinite or nan where the cell cannot say the box: centre outside -.5 .. 1.5 cells, side over 4 anchors.
    """
    offset = (boxes[..., :2] + boxes[..., 2:]) / 2 / stride - cells + 0.5
    size = ((boxes[..., 2:] - boxes[..., :2]) / anchors).sqrt()
    return torch.logit(torch.cat([offset, size], -1) / 2)
