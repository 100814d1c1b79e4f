"""RoIAlign in exported graphs: mmcv's operator has no form for torch's exporter, ONNX has RoiAlign itself.

Letters: N images, R boxes, C channels, S cells a side.
"""

import torch
from onnxscript import opset20 as op
from torch import Tensor

from detplug.export.nms_op import TRANSLATIONS


@torch.library.custom_op('detplug::roi_align_rows', mutates_args=())
def roi_align_rows(
    out: Tensor, maps: Tensor, rois: Tensor, chosen: Tensor, side: int, scale: float, sampling: int, aligned: bool
) -> Tensor:
    """``out`` (R, C, S, S) with the rows ``chosen`` (R,) bool replaced by those of mmcv's RoIAlign.

    Args:
        maps: (N, C, H, W). rois: (R, 5) image, xyxy in input pixels.
        scale: cells of the map a pixel. sampling: points a cell and axis; 0: as many as the cell has of the map's.

    Raises:
        NotImplementedError: always; the operator is for tracing only.
    """
    raise NotImplementedError('detplug::roi_align_rows exists in exported graphs only')


@roi_align_rows.register_fake
def _(out, maps, rois, chosen, side, scale, sampling, aligned):
    return torch.empty_like(out)


def onnx_roi_align_rows(out, maps, rois, chosen, side: int, scale: float, sampling: int, aligned: bool):
    """The ONNX form of :func:`roi_align_rows`; same arguments, same result."""
    row = op.Transpose(op.NonZero(chosen), perm=[1, 0])  # (rows, 1)
    mine = op.GatherND(rois, row)
    image = op.Cast(op.Squeeze(op.Slice(mine, [0], [1], [1]), [1]), to=7)
    values = op.RoiAlign(
        maps,
        op.Slice(mine, [1], [5], [1]),
        image,
        mode='avg',
        coordinate_transformation_mode='half_pixel' if aligned else 'output_half_pixel',
        output_height=side,
        output_width=side,
        sampling_ratio=sampling,
        spatial_scale=scale,
    )
    return op.ScatterND(out, row, values)


TRANSLATIONS[torch.ops.detplug.roi_align_rows.default] = onnx_roi_align_rows
