"""Where RoIAlign samples the map: at the centres of equal parts of each bin, along one side at a time.

Letters: R RoIs, P bins along a side, G samples of a bin along a side, K pixels that these read.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from detplug_mmcv_ops.precision import compute_dtype


class Grid(NamedTuple):
    """Where RoIs are sampled: P and Q, pixels of the map a pixel of the image, G or 0 for one a pixel, half a pixel."""

    bins: tuple[int, int]
    scale: float
    sampling_ratio: int
    aligned: bool


class Side(NamedTuple):
    """RoIs along one side of the map: (R,) first point and length of a bin in pixels, (R,) G, (R,) K."""

    start: Tensor
    step: Tensor
    samples: Tensor
    pixels: Tensor


def both_sides(rois: Tensor, grid: Grid, shape: torch.Size) -> tuple[Side, Side]:
    """RoIs along y and along x."""
    corner = rois[:, 1:].to(compute_dtype(rois)) * grid.scale - 0.5 * grid.aligned
    y = side(corner[:, 1], corner[:, 3], shape[2], grid.bins[0], grid)
    x = side(corner[:, 0], corner[:, 2], shape[3], grid.bins[1], grid)
    return y, x


def side(low: Tensor, high: Tensor, size: int, bins: int, grid: Grid) -> Side:
    """RoIs from (R,) low to high along a side of ``size`` pixels."""
    length = high - low if grid.aligned else (high - low).clamp(min=1)
    step = length / bins
    if grid.sampling_ratio > 0:
        samples = torch.full_like(step, grid.sampling_ratio)
        return Side(low, step, samples, (2 * samples).long())
    samples = step.ceil().nan_to_num(1, 1, 0).clamp(min=0)
    return Side(low, step, samples, torch.where(samples > 0, samples + 1, 0).clamp(max=size + 1).long())


def points(side: Side, part: slice, most: int, bins: int) -> tuple[Tensor, Tensor]:
    """(R, P, G) points of a part of the RoIs, in pixels, and (R, 1, G) which exist; the others repeat the last one."""
    start, step, samples = (x[part, None, None] for x in side[:3])
    index = torch.arange(max(most, 1), device=start.device)
    first = start + torch.arange(bins, device=start.device)[:, None] * step
    existing = torch.minimum(index, (samples - 1).clamp(min=0))
    return first + (existing + 0.5) * step / samples.clamp(min=1), index < samples
