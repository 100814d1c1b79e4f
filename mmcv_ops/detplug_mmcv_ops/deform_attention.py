"""Multi-scale deformable attention (Deformable DETR, arXiv 2010.04159) by mmcv's own form in torch.

Letters: N images, K keys (pixels of all levels), M heads, D channels of a head, Q queries, L levels, P points.
"""

import torch
from torch import Tensor

from detplug_mmcv_ops.precision import compute_dtype


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """(N, Q, M * D) attended values. One synchronisation with the host, which reads the levels' sizes.

    Args:
        value: (N, K, M, D).
        value_spatial_shapes: (L, 2) height and width of each level.
        sampling_locations: (N, Q, M, L, P, 2) x and y, from 0 to 1 across the level.
        attention_weights: (N, Q, M, L, P).
    """
    dtype = compute_dtype(value)
    tensors = (x.to(dtype) for x in (value, sampling_locations, attention_weights))
    return attention(*tensors, value_spatial_shapes.tolist()).to(value.dtype)


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Write the gradients of the value, the locations and the weights. One synchronisation with the host."""
    dtype = compute_dtype(value)
    with torch.enable_grad():
        inputs = [
            x.detach().to(dtype, copy=True).requires_grad_() for x in (value, sampling_locations, attention_weights)
        ]
        output = attention(*inputs, value_spatial_shapes.tolist())
    gradients = torch.autograd.grad(output, inputs, grad_output.to(dtype))
    for target, gradient in zip((grad_value, grad_sampling_loc, grad_attn_weight), gradients, strict=True):
        target.copy_(gradient)


def attention(value: Tensor, locations: Tensor, weights: Tensor, shapes: list[list[int]]) -> Tensor:
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch  # it imports mmcv._ext itself

    return multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
