"""The operators that mmcv.ops loads, in plain torch. A compiled ``_ext`` in this folder is imported instead of this file.

Every name that is not here is an operator that raises when it is called, with the cure.
"""

from detplug_mmcv_ops.focal_loss import sigmoid_focal_loss_forward
from detplug_mmcv_ops.nms import nms
from detplug_mmcv_ops.roi_align import roi_align_backward, roi_align_forward
from detplug_mmcv_ops.unavailable import unavailable

__all__ = [
    'nms',
    'roi_align_backward',
    'roi_align_forward',
    'sigmoid_focal_loss_forward',
]


def __getattr__(name: str):
    return unavailable(name)
