"""RoIAlign (Mask R-CNN, arXiv 1703.06870): the mean of bilinear samples in each bin, as one sparse product.

Bilinear weights are products of a weight along y and one along x, so that a bin is the weighted sum of a window of
pixels: one bag of ``embedding_bag``. The gradient is the same product transposed.

Letters: N images, C channels, R RoIs, H x W pixels, P x Q bins, G samples and K pixels of a bin along a side,
E pixels of all bins.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from detplug_mmcv_ops.maps import channels_innermost
from detplug_mmcv_ops.roi_align_max import forward_max, scatter_max
from detplug_mmcv_ops.roi_samples import Grid, Side, both_sides, points

MAXIMUM = 0  # mmcv's number of the mode that is not the mean
LARGEST = 2**22  # E of one product; about 100 bytes each while the product is prepared


class Windows(NamedTuple):
    """Pixels that bins read along one side, (R, P, K), and their weights; after the RoI's own K they are padding."""

    pixel: Tensor
    weight: Tensor


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the (R, C, P, Q) bins into ``output``; a bin of no samples is 0, a RoI with a NaN coordinate NaN.

    Args:
        input: (N, C, H, W), in any memory order.
        rois: (R, 5), index of the image, then xyxy in pixels of the image.
        argmax_y: with ``pool_mode`` 0 (the largest sample), (R, C, P, Q), where it lies; else unused.
        spatial_scale: pixels of the map a pixel of the image.
        sampling_ratio: samples of a bin along a side; 0 takes one a pixel of the map.
        aligned: shift by half a pixel, and let RoIs be smaller than a pixel.
    """
    if not len(rois):
        return
    grid = Grid((aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)
    rows = channels_innermost(input)
    if pool_mode == MAXIMUM:
        return forward_max(rows, rois, (output, argmax_y, argmax_x), grid, input.shape)
    for part, pixel, weight, start in bags(rois, grid, input.shape):
        pooled = embedding_bag(pixel, rows, start, mode='sum', per_sample_weights=weight.to(rows.dtype))
        output[part] = pooled.view(-1, *grid.bins, rows.size(1)).permute(0, 3, 1, 2).to(output.dtype)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Add the gradient of the map to ``grad_input``; a RoI gets none."""
    if not len(rois):
        return
    if pool_mode == MAXIMUM:
        return scatter_max(grad_output, rois, argmax_y, argmax_x, grad_input)
    grid = Grid((aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)
    count, channels, height, width = grad_input.shape
    for part, pixel, weight, start in bags(rois, grid, grad_input.shape):
        rows = channels_innermost(grad_output[part])
        gradient = transposed_product(pixel, weight.to(rows.dtype), start, rows, count * height * width)
        grad_input += gradient.view(count, height, width, channels).permute(0, 3, 1, 2)


def transposed_product(pixel: Tensor, weight: Tensor, start: Tensor, rows: Tensor, count: int) -> Tensor:
    """(count, C): for each pixel the weighted sum of the rows of the bags that read it."""
    pixel, order = pixel.sort(stable=True)
    bag = torch.searchsorted(start, order, right=True) - 1
    first = torch.searchsorted(pixel, torch.arange(count, dtype=pixel.dtype, device=pixel.device))
    return embedding_bag(bag, rows, first, mode='sum', per_sample_weights=weight[order])


def bags(rois: Tensor, grid: Grid, shape: torch.Size) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Parts of the RoIs, each with (E,) pixel, (E,) weight and (R * P * Q,) first entry of each bin.

    Sides of 0 samples give empty bags, which pool 0. One synchronisation with the host where the samples depend on the
    RoIs, none with a fixed sampling ratio.
    """
    y, x = both_sides(rois, grid, shape)
    if grid.sampling_ratio > 0:
        samples = torch.full((2, len(rois)), grid.sampling_ratio)
        pixels = 2 * samples
    else:
        samples, pixels = torch.stack((y.samples, x.samples, y.pixels, x.pixels)).long().cpu().view(2, 2, -1)
    entries = pixels.prod(0) * (grid.bins[0] * grid.bins[1])
    sizes = entries.cumsum(0).div(LARGEST, rounding_mode='floor').unique_consecutive(return_counts=True)[1].tolist()
    for begin, end in zip([0, *accumulate(sizes)], accumulate(sizes), strict=False):
        part = slice(begin, end)
        most = samples[:, part].amax(1).tolist()
        windows_y = windows(y, part, most[0], shape[2], grid.bins[0], grid)
        windows_x = windows(x, part, most[1], shape[3], grid.bins[1], grid)
        counts = y.pixels[part], x.pixels[part]
        yield part, *products(rois[part, 0].long(), windows_y, windows_x, counts, shape, int(entries[part].sum()))


def windows(side: Side, part: slice, most: int, size: int, bins: int, grid: Grid) -> Windows:
    """Windows of the bins of a part of the RoIs, of which none has more samples than ``most``."""
    at, exists = points(side, part, most, bins)
    samples = side.samples[part, None, None]
    share = torch.where((at < -1) | (at > size), 0, exists / samples)
    at = at.clamp(0, size - 1)
    below = at.floor().nan_to_num(0)
    if grid.sampling_ratio > 0:
        fraction = at - below
        pixel = torch.cat((below, (below + 1).clamp(max=size - 1)), 2).long()
        return Windows(pixel, torch.cat((share * (1 - fraction), share * fraction), 2))
    first = below[..., :1]
    place = torch.minimum(below - first, samples - 1).clamp(min=0)  # rounding may set the last one a pixel further
    fraction = at - first - place
    place = place.long()
    weight = at.new_zeros(*at.shape[:2], min(at.size(2), size) + 1)
    weight.scatter_add_(2, place, share * (1 - fraction)).scatter_add_(2, place + 1, share * fraction)
    pixel = first.long() + torch.arange(weight.size(2), device=at.device)
    return Windows(pixel.clamp(max=size - 1), weight)


def products(
    image: Tensor, y: Windows, x: Windows, counts: tuple[Tensor, Tensor], shape: torch.Size, total: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Windows in two dimensions: (E,) pixel among those of all images, (E,) weight, (R * P * Q,) first entry."""
    rows, columns = y.pixel.size(1), x.pixel.size(1)
    size = (counts[0] * counts[1]).repeat_interleave(rows * columns, output_size=len(image) * rows * columns)
    start = size.cumsum(0) - size
    bag = torch.arange(len(size), device=size.device).repeat_interleave(size, output_size=total)
    place = torch.arange(total, device=size.device) - start[bag]
    roi = bag // (rows * columns)
    along_y = place // counts[1][roi]
    along_x = place - along_y * counts[1][roi]
    entry_y = bag // columns * y.pixel.size(2) + along_y
    entry_x = (roi * columns + bag % columns) * x.pixel.size(2) + along_x
    row = (image * shape[2])[roi] + y.pixel.flatten()[entry_y]
    return row * shape[3] + x.pixel.flatten()[entry_x], y.weight.flatten()[entry_y] * x.weight.flatten()[entry_x], start
