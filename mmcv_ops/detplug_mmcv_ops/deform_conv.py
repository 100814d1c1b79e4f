"""Deformable convolution (arXiv 1703.06211) and the modulated one (arXiv 1811.11168). No synchronisation with the host.

Columns are bilinear samples, each a bag of four pixels in ``embedding_bag``; gradients are those autograd finds.

Letters: N images, C channels, O output channels, G groups of offsets, K points of the kernel, H x W pixels of the
input, Y x X of the output.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from detplug_mmcv_ops.precision import compute_dtype


class Geometry(NamedTuple):
    """Kernel, stride, padding and dilation as (y, x); groups of channels and of offsets."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    offset_groups: int


def deform_conv(input: Tensor, offset: Tensor, weight: Tensor, mask: Tensor | None, geometry: Geometry) -> Tensor:
    """(N, O, Y, X), differentiable by every tensor.

    Args:
        input: (N, C, H, W).
        offset: (N, G * K * 2, Y, X), shift of each point in pixels, y before x.
        weight: (O, C / groups, kernel).
        mask: (N, G * K, Y, X), factor of each sample, or None for 1.
    """
    images = []
    for index in range(len(input)):  # one image at a time: the columns are K times as large as the input
        columns = samples(input[index], offset[index], None if mask is None else mask[index], geometry)
        columns = columns.view(geometry.groups, -1, columns.size(-1))
        images.append(weight.view(geometry.groups, -1, columns.size(1)) @ columns)
    return torch.stack(images).view(len(input), weight.size(0), *offset.shape[2:])


def samples(image: Tensor, offset: Tensor, mask: Tensor | None, geometry: Geometry) -> Tensor:
    """(C * K, Y * X) bilinear samples of (C, H, W), 0 outside; at a pixel the derivative is that to its right."""
    channels, height, width = image.shape
    rows, columns = offset.shape[1:]
    offset = offset.view(geometry.offset_groups, *geometry.kernel, 2, rows, columns)
    y = offset[:, :, :, 0] + points(0, rows, geometry, image)[None, :, None, :, None]
    x = offset[:, :, :, 1] + points(1, columns, geometry, image)[None, None, :, None, :]
    top, left = y.detach().floor(), x.detach().floor()
    vertical = torch.stack((top + 1 - y, y - top))
    horizontal = torch.stack((left + 1 - x, x - left))
    weight = vertical[:, None] * horizontal[None]  # (2, 2, G, kernel, Y, X)
    pixel_y, pixel_x = torch.stack((top, top + 1))[:, None], torch.stack((left, left + 1))[None]
    inside = (pixel_y >= 0) & (pixel_y < height) & (pixel_x >= 0) & (pixel_x < width)
    group = torch.arange(geometry.offset_groups, device=image.device).view(-1, 1, 1, 1, 1)
    pixel_y, pixel_x = (
        (pixel.nan_to_num(0).clamp(0, size - 1)).long() for pixel, size in ((pixel_y, height), (pixel_x, width))
    )
    pixel = (group * height + pixel_y) * width + pixel_x
    weight = weight * inside.to(weight.dtype)
    table = image.view(geometry.offset_groups, -1, height * width).transpose(1, 2).reshape(-1, channels // len(group))
    bags = embedding_bag(
        pixel.reshape(4, -1).t().contiguous(),
        table.contiguous(),
        mode='sum',
        per_sample_weights=weight.reshape(4, -1).t().contiguous(),
    )
    if mask is not None:
        bags = bags * mask.reshape(-1, 1)
    return bags.view(len(group), -1, rows * columns, bags.size(1)).permute(0, 3, 1, 2).reshape(-1, rows * columns)


def points(axis: int, size: int, geometry: Geometry, like: Tensor) -> Tensor:
    """(kernel, size) where the points of the kernel lie along an axis without an offset, in pixels."""
    start = torch.arange(size, device=like.device, dtype=like.dtype) * geometry.stride[axis] - geometry.padding[axis]
    step = torch.arange(geometry.kernel[axis], device=like.device, dtype=like.dtype) * geometry.dilation[axis]
    return step[:, None] + start


def gradients(tensors: list[Tensor], grad_output: Tensor, geometry: Geometry) -> tuple[Tensor, ...]:
    """Gradients of input, offset, weight and, where there is one, mask."""
    dtype = compute_dtype(tensors[0])
    with torch.enable_grad():
        leaves = [x.detach().to(dtype, copy=True).requires_grad_() for x in tensors]
        output = deform_conv(*leaves[:3], leaves[3] if len(leaves) > 3 else None, geometry)
    return torch.autograd.grad(output, leaves, grad_output.to(dtype))


def deform_conv_forward(input, weight, offset, output, columns, ones, **options) -> None:
    """Write (N, O, Y, X) into ``output``; options as ``plain_geometry`` takes them."""
    tensors = (x.to(compute_dtype(input)) for x in (input, offset, weight))
    output.copy_(deform_conv(*tensors, None, plain_geometry(**options)))


def deform_conv_backward_input(input, offset, grad_output, grad_input, grad_offset, weight, columns, **options) -> None:
    """Write the gradients of input and offset."""
    of_input, of_offset, _ = gradients([input, offset, weight], grad_output, plain_geometry(**options))
    grad_input.copy_(of_input)
    grad_offset.copy_(of_offset)


def deform_conv_backward_parameters(input, offset, grad_output, grad_weight, columns, ones, scale, **options) -> None:
    """Add ``scale`` times the gradient of the weight to ``grad_weight``."""
    of_weight = gradients([input, offset, torch.zeros_like(grad_weight)], grad_output, plain_geometry(**options))[2]
    grad_weight.add_(of_weight.to(grad_weight.dtype), alpha=scale)


def plain_geometry(kW, kH, dW, dH, padW, padH, dilationW, dilationH, group, deformable_group, im2col_step) -> Geometry:
    """The words of mmcv's deform_conv; ``im2col_step`` images at a time are no matter here."""
    return Geometry((kH, kW), (dH, dW), (padH, padW), (dilationH, dilationW), group, deformable_group)


def modulated_deform_conv_forward(
    input, weight, bias, ones, offset, mask, output, columns, with_bias, **options
) -> None:
    """Write (N, O, Y, X) into ``output``; options as ``modulated_geometry`` takes them."""
    tensors = (x.to(compute_dtype(input)) for x in (input, offset, weight, mask))
    result = deform_conv(*tensors, modulated_geometry(**options))
    output.copy_(result + bias.to(result.dtype).view(-1, 1, 1) if with_bias else result)


def modulated_deform_conv_backward(
    input,
    weight,
    bias,
    ones,
    offset,
    mask,
    columns,
    grad_input,
    grad_weight,
    grad_bias,
    grad_offset,
    grad_mask,
    grad_output,
    with_bias,
    **options,
) -> None:
    """Write the gradients of input, weight, bias, offset and mask."""
    found = gradients([input, offset, weight, mask], grad_output, modulated_geometry(**options))
    for target, gradient in zip((grad_input, grad_offset, grad_weight, grad_mask), found, strict=True):
        target.copy_(gradient)
    if with_bias:
        grad_bias.copy_(grad_output.to(compute_dtype(grad_output)).sum((0, 2, 3)))


def modulated_geometry(
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group
) -> Geometry:
    """The words of mmcv's modulated_deform_conv."""
    return Geometry(
        (kernel_h, kernel_w), (stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w), group, deformable_group
    )
