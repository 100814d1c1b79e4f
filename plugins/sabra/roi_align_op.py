"""RoIAlign in exported graphs: mmcv's operator has no form for torch's exporter, ONNX has RoiAlign itself.

Letters: N images, R boxes, S cells a side.
"""

import torch
from onnxscript import opset20 as op
from torch import Tensor

from detplug.export.nms_op import TRANSLATIONS

SAMPLES = 2  # points a cell and axis


@torch.library.custom_op('detplug::roi_align', mutates_args=())
def roi_align(maps: Tensor, rois: Tensor, side: int, scale: float) -> Tensor:
    """Maps (N, C, H, W) and boxes (R, 5) image, xyxy input pixels -> (R, C, S, S), as mmcv's aligned RoIAlign.

    Raises:
        NotImplementedError: always; the operator is for tracing only.
    """
    raise NotImplementedError('detplug::roi_align exists in exported graphs only')


@roi_align.register_fake
def _(maps, rois, side, scale):
    return maps.new_empty((rois.shape[0], maps.shape[1], side, side))


def onnx_roi_align(maps, rois, side: int, scale: float):
    """The ONNX form of :func:`roi_align`; same arguments, same result."""
    image = op.Cast(op.Squeeze(op.Slice(rois, [0], [1], [1]), [1]), to=7)
    boxes = op.Slice(rois, [1], [5], [1])
    return op.RoiAlign(
        maps,
        boxes,
        image,
        mode='avg',
        coordinate_transformation_mode='half_pixel',
        output_height=side,
        output_width=side,
        sampling_ratio=SAMPLES,
        spatial_scale=scale,
    )


TRANSLATIONS[torch.ops.detplug.roi_align.default] = onnx_roi_align
