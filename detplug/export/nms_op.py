"""Selection of detections as one ONNX subgraph: score threshold, class-wise NMS, the best of each and of all classes.

There is no torchvision in the stack, so torch's exporter knows no NMS. ``detplug::select_detections`` is an operator
that exists in the traced program only; the exporter's translation table replaces it by ONNX's NonMaxSuppression and
what orders, limits and pads its result. N images, A anchors, K classes, M selected, D = ``max_per_img``.
"""

import numpy as np
import onnx
import torch
from onnxscript import opset20 as op
from torch import Tensor

OPSET = 20


@torch.library.custom_op('detplug::select_detections', mutates_args=())
def select_detections(
    boxes: Tensor,
    scores: Tensor,
    score_thr: float,
    iou_threshold: float,
    max_per_img: int,
    max_per_class: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Boxes (N, A, 4) xyxy, scores (N, A, K) -> count (N,), boxes (N, D, 4), scores, labels, prior_index (N, D) each.

    At most ``max_per_class`` detections are of one class, the best; ``max_per_img`` or more is no limit.

    Rows are in descending order of score; ``prior_index`` is that among the A. Rows from ``count`` on are zero boxes
    with score 0, label -1 and index 0.

    Raises:
        NotImplementedError: always; the operator is for tracing only.
    """
    raise NotImplementedError('detplug::select_detections exists in exported graphs only')


@select_detections.register_fake
def _(boxes, scores, score_thr, iou_threshold, max_per_img, max_per_class):
    images = boxes.shape[0]
    return (
        boxes.new_empty((images,), dtype=torch.int64),
        boxes.new_empty((images, max_per_img, 4)),
        boxes.new_empty((images, max_per_img)),
        boxes.new_empty((images, max_per_img), dtype=torch.int64),
        boxes.new_empty((images, max_per_img), dtype=torch.int64),
    )


def onnx_select_detections(boxes, scores, score_thr: float, iou_threshold: float, max_per_img: int, max_per_class: int):
    """The ONNX form of :func:`select_detections`; same arguments, same five results.

    NonMaxSuppression stops at ``max_per_class`` boxes a class, and may at D: the best D of all classes hold no more of
    one class. The D best of an image are the TopK of its row in an (N, M + D) table that is 0 at the boxes of other
    images, so that no operator and no K depends on what was selected: TensorRT has no Compress, and its TopK a
    constant K.
    """
    limit, zero, one = (op.Constant(value_int=x) for x in (min(max_per_class, max_per_img), 0, 1))
    first, last, minus = (op.Constant(value_ints=[x]) for x in (0, 1, -1))
    by_class = op.Transpose(scores, perm=[0, 2, 1])
    chosen = op.NonMaxSuppression(
        boxes, by_class, limit, op.Constant(value_float=iou_threshold), op.Constant(value_float=score_thr)
    )  # (M, 3): image, class, anchor
    none = op.Constant(value=onnx.numpy_helper.from_array(np.zeros((max_per_img, 3), np.int64)))
    score = op.Concat(op.GatherND(by_class, chosen), op.Constant(value_floats=[0.0] * max_per_img), axis=0)  # (M + D,)
    chosen = op.Concat(chosen, none, axis=0)
    images = op.Squeeze(op.Shape(boxes, start=0, end=1), first)
    image = op.Unsqueeze(op.Range(zero, images, one), last)  # (N, 1)
    of_image = op.Equal(op.Unsqueeze(op.Gather(chosen, zero, axis=1), first), image)  # (N, M + D)
    best, row = op.TopK(op.Where(of_image, score, op.Constant(value_float=0.0)), op.Constant(value_ints=[max_per_img]))
    valid = op.Greater(best, op.Constant(value_float=0.0))  # (N, D)
    picked = op.Gather(chosen, row, axis=0)  # (N, D, 3)
    anchor = op.Where(valid, op.Gather(picked, op.Constant(value_int=2), axis=2), zero)
    label = op.Where(valid, op.Gather(picked, one, axis=2), op.Constant(value_int=-1))
    corners = op.GatherElements(
        boxes, op.Expand(op.Unsqueeze(anchor, minus), op.Constant(value_ints=[1, 1, 4])), axis=1
    )
    corners = op.Where(op.Unsqueeze(valid, minus), corners, op.Constant(value_float=0.0))
    count = op.ReduceSum(op.Cast(valid, to=7), last, keepdims=0)
    return count, corners, best, label, anchor


TRANSLATIONS = {torch.ops.detplug.select_detections.default: onnx_select_detections}
