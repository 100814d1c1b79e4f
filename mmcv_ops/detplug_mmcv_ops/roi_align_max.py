"""RoIAlign that takes the largest bilinear sample of a bin, as mmcv offers beside the mean. Letters as in roi_align."""

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from detplug_mmcv_ops.precision import compute_dtype
from detplug_mmcv_ops.roi_pool import largest
from detplug_mmcv_ops.roi_samples import Grid, both_sides, points

LARGEST = 2**24  # numbers that are gathered at a time
OUTSIDE = -2  # a point that has no weight; at -1, which mmcv's C++ writes, a sample may lie


def forward_max(
    rows: Tensor, rois: Tensor, outputs: tuple[Tensor, Tensor, Tensor], grid: Grid, shape: torch.Size
) -> None:
    """Write the (R, C, P, Q) largest samples, and the y and x of each; 0 and -2 where a bin has no sample.

    Synchronises with the host once, for the largest number of samples.

    Args:
        rows: (N * H * W, C) map.
    """
    side_y, side_x = both_sides(rois, grid, shape)
    most = torch.stack((side_y.samples.max(), side_x.samples.max())).clamp(min=1).long().tolist()
    chunk = max(LARGEST // (grid.bins[0] * grid.bins[1] * most[0] * most[1] * rows.size(1)), 1)
    for begin in range(0, len(rois), chunk):
        part = slice(begin, begin + chunk)
        y, exists_y = points(side_y, part, most[0], grid.bins[0])
        x, exists_x = points(side_x, part, most[1], grid.bins[1])
        grids = torch.broadcast_tensors(
            y[:, :, None, :, None],
            x[:, None, :, None, :],
            exists_y[:, :, None, :, None] & exists_x[:, None, :, None, :],
        )
        y, x, exists = (t.flatten(1, 2).flatten(2) for t in grids)
        pixel, weight = corners(y, x, shape)
        pixel = pixel + (rois[part, 0].long() * (shape[2] * shape[3]))[:, None, None, None]
        weight = weight.to(rows.dtype).view(-1, 4)
        values = embedding_bag(pixel.view(-1, 4), rows, mode='sum', per_sample_weights=weight)
        value, index = largest(values.view(*y.shape, -1), exists)
        where = [torch.where(index < 0, OUTSIDE, t.gather(2, index.clamp(min=0))) for t in (y, x)]
        for output, result in zip(outputs, (value, *where), strict=True):
            output[part] = result.view(-1, *grid.bins, rows.size(1)).permute(0, 3, 1, 2).to(output.dtype)


def corners(y: Tensor, x: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """(..., 4) index in an image, and bilinear weight, of the pixels around points; 0 for points outside."""
    height, width = shape[2:]
    outside = (y < -1) | (y > height) | (x < -1) | (x > width)
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    top, left = y.floor(), x.floor()
    down, right = y - top, x - left
    below, beside = (top + 1).clamp(max=height - 1), (left + 1).clamp(max=width - 1)
    pixel = torch.stack((top * width + left, top * width + beside, below * width + left, below * width + beside), -1)
    weight = ((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right)
    return pixel.nan_to_num(0).long(), torch.stack(weight, -1).masked_fill(outside[..., None], 0)


def scatter_max(grad_output: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, grad_input: Tensor) -> None:
    """Add the gradient of the map, which goes to the four pixels of the largest samples, to ``grad_input``."""
    dtype = compute_dtype(grad_input)
    gradient = torch.zeros(grad_input.shape, dtype=dtype, device=grad_input.device)
    count, channels, height, width = gradient.shape
    plane = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    pixel, weight = corners(argmax_y.to(dtype).flatten(2), argmax_x.to(dtype).flatten(2), gradient.shape)
    weight = weight * grad_output.to(dtype).flatten(2)[..., None]
    target = plane[..., None, None] * (height * width) + pixel
    gradient.view(-1).index_add_(0, target.view(-1), weight.view(-1))
    grad_input += gradient
