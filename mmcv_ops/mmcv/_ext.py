"""The operators that mmcv.ops loads, in plain torch; Python prefers a compiled ``_ext`` in this folder to this file.

Every name that is not here is an operator that raises when it is called, with the cure.
"""

from detplug_mmcv_ops.box_overlaps import bbox_overlaps
from detplug_mmcv_ops.compiler import get_compiler_version, get_compiling_cuda_version
from detplug_mmcv_ops.deform_attention import ms_deform_attn_backward, ms_deform_attn_forward
from detplug_mmcv_ops.deform_conv import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from detplug_mmcv_ops.focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
    softmax_focal_loss_backward,
    softmax_focal_loss_forward,
)
from detplug_mmcv_ops.nms import nms
from detplug_mmcv_ops.nms_match import nms_match
from detplug_mmcv_ops.roi_align import roi_align_backward, roi_align_forward
from detplug_mmcv_ops.roi_pool import roi_pool_backward, roi_pool_forward
from detplug_mmcv_ops.soft_nms import softnms
from detplug_mmcv_ops.unavailable import unavailable

__all__ = [
    'bbox_overlaps',
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'deform_conv_forward',
    'get_compiler_version',
    'get_compiling_cuda_version',
    'modulated_deform_conv_backward',
    'modulated_deform_conv_forward',
    'ms_deform_attn_backward',
    'ms_deform_attn_forward',
    'nms',
    'nms_match',
    'roi_align_backward',
    'roi_align_forward',
    'roi_pool_backward',
    'roi_pool_forward',
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softmax_focal_loss_backward',
    'softmax_focal_loss_forward',
    'softnms',
]


def __getattr__(name: str):
    return unavailable(name)
