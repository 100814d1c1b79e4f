"""RoIPool (Fast R-CNN, arXiv 1504.08083): the largest pixel of each bin, whose sides are rounded outwards.

Letters: N images, C channels, R RoIs, H x W pixels, P x Q bins, S pixels of the largest bin.
"""

import torch
from torch import Tensor

from detplug_mmcv_ops.maps import channels_innermost
from detplug_mmcv_ops.precision import compute_dtype

LARGEST = 2**24  # numbers that are gathered at a time


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Write the (R, C, P, Q) largest values and where they lie; an empty bin pools 0 and lies at -1.

    Synchronises with the host once, for the size of the largest bin.

    Args:
        input: (N, C, H, W), in any memory order.
        rois: (R, 5), index of the image, then xyxy in pixels of the image, the last ones included.
        argmax: (R, C, P, Q) int32, y * W + x.
    """
    if not len(rois):
        return
    _, channels, height, width = input.shape
    rows = channels_innermost(input)
    corner = rois[:, 1:].to(rows.dtype)
    low, high = corner[:, :2] * spatial_scale, (corner[:, 2:] + 1) * spatial_scale
    proper = (high > low).all(1)
    first_y, end_y = sides(low[:, 1], high[:, 1], proper, height, pooled_height)
    first_x, end_x = sides(low[:, 0], high[:, 0], proper, width, pooled_width)
    most_y, most_x = torch.stack(((end_y - first_y).max(), (end_x - first_x).max())).clamp(min=1).tolist()
    y = first_y[..., None] + torch.arange(most_y, device=rois.device)
    x = first_x[..., None] + torch.arange(most_x, device=rois.device)
    bins = (-1, pooled_height, pooled_width, channels)
    chunk = max(LARGEST // (pooled_height * pooled_width * most_y * most_x * channels), 1)
    for begin in range(0, len(rois), chunk):
        part = slice(begin, begin + chunk)
        inside = (y < end_y[..., None])[part, :, None, :, None] & (x < end_x[..., None])[part, None, :, None, :]
        pixel = y[part, :, None, :, None] * width + x[part, None, :, None, :]
        inside, pixel = (t.flatten(1, 2).flatten(2) for t in (inside, pixel))
        image = rois[part, 0].long()[:, None, None] * (height * width)
        values = rows[torch.where(inside, image + pixel, 0)]
        value, index = largest(values, inside)
        where = torch.where(index < 0, -1, pixel.gather(2, index.clamp(min=0)))
        output[part] = value.view(bins).permute(0, 3, 1, 2).to(output.dtype)
        argmax[part] = where.view(bins).permute(0, 3, 1, 2).to(argmax.dtype)


def sides(low: Tensor, high: Tensor, proper: Tensor, size: int, bins: int) -> tuple[Tensor, Tensor]:
    """(R, bins) first pixel and the one after the last, within ``size``; empty where the RoI is not proper."""
    step = ((high - low) / bins)[:, None]
    index = torch.arange(bins, device=low.device)
    first = (index * step + low[:, None]).floor().nan_to_num(0).clamp(0, size).long()
    end = ((index + 1) * step + low[:, None]).ceil().nan_to_num(0).clamp(0, size).long()
    return first, torch.where(proper[:, None], end, first)


def largest(values: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Largest of (R, P * Q, S, C) values where (R, P * Q, S) is true, and the first index it has; 0 and -1 of none."""
    value, index = values.masked_fill(~inside[..., None], -torch.inf).max(2)
    empty = ~inside.any(2, keepdim=True)
    return value.masked_fill(empty, 0), index.masked_fill(empty, -1)


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Add the gradient of the map, which goes to the largest pixels, to ``grad_input``."""
    gradient = torch.zeros(grad_input.shape, dtype=compute_dtype(grad_input), device=grad_input.device).flatten(2)
    count, channels, pixels = gradient.shape
    plane = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    target = plane[..., None] * pixels + argmax.flatten(2).clamp(min=0)
    values = grad_output.to(gradient.dtype).flatten(2) * (argmax.flatten(2) >= 0)
    gradient.view(-1).index_add_(0, target.view(-1), values.reshape(-1))
    grad_input += gradient.view_as(grad_input)
