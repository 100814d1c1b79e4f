"""Selection of detections as one ONNX subgraph: score threshold, class-wise NMS, the best of all classes.

There is no torchvision in the stack, so torch's exporter knows no NMS. ``detplug::select_detections`` is an operator
that exists in the traced program only; the exporter's translation table replaces it by ONNX's NonMaxSuppression and
what orders, limits and pads its result. N images, A anchors, K classes, M selected, D = ``max_per_img``.
"""

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
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Boxes (N, A, 4) xyxy and scores (N, A, K) -> count (N,), boxes (N, D, 4), scores, labels, places (N, D) each.

    Rows are in descending order of score; a place is the index among the A. Rows from ``count`` on are zero boxes with
    score 0, label -1 and place 0.

    Raises:
        NotImplementedError: always; the operator is for tracing only.
    """
    raise NotImplementedError('detplug::select_detections exists in exported graphs only')


@select_detections.register_fake
def _(boxes, scores, score_thr, iou_threshold, max_per_img):
    images = boxes.shape[0]
    return (
        boxes.new_empty((images,), dtype=torch.int64),
        boxes.new_empty((images, max_per_img, 4)),
        boxes.new_empty((images, max_per_img)),
        boxes.new_empty((images, max_per_img), dtype=torch.int64),
        boxes.new_empty((images, max_per_img), dtype=torch.int64),
    )


def onnx_select_detections(boxes, scores, score_thr: float, iou_threshold: float, max_per_img: int):
    """The ONNX form of :func:`select_detections`; same arguments, same five results.

    NonMaxSuppression may stop at D boxes a class: the best D of all classes hold no more of one class.
    """
    limit = op.Constant(value_int=max_per_img)
    one = op.Constant(value_ints=[1])
    by_class = op.Transpose(scores, perm=[0, 2, 1])
    chosen = op.NonMaxSuppression(
        boxes, by_class, limit, op.Constant(value_float=iou_threshold), op.Constant(value_float=score_thr)
    )  # (M, 3): image, class, anchor
    _, order = op.TopK(op.GatherND(by_class, chosen), op.Shape(chosen, start=0, end=1))
    chosen = op.Gather(chosen, order, axis=0)
    image = op.Gather(chosen, op.Constant(value_ints=[0]), axis=1)  # (M, 1)
    images = op.Squeeze(op.Shape(boxes, start=0, end=1))
    of_image = op.Cast(op.Equal(image, op.Range(op.Constant(value_int=0), images, op.Constant(value_int=1))), to=7)
    seen = op.CumSum(of_image, op.Constant(value_int=0))  # (M, N): selected up to here, by image
    rank = op.Sub(op.ReduceSum(op.Mul(of_image, seen), one, keepdims=1), one)  # (M, 1)
    kept = op.Squeeze(op.Less(rank, limit), one)
    chosen = op.Compress(chosen, kept, axis=0)
    image = op.Gather(chosen, op.Constant(value_ints=[0]), axis=1)
    place = op.Concat(image, op.Compress(rank, kept, axis=0), axis=1)
    label = op.Gather(chosen, op.Constant(value_int=1), axis=1)
    anchor = op.Gather(chosen, op.Constant(value_ints=[2]), axis=1)
    shape = op.Concat(op.Shape(boxes, start=0, end=1), op.Reshape(limit, one), axis=0)  # N, D
    shape4 = op.Concat(shape, op.Constant(value_ints=[4]), axis=0)
    zero = op.Constant(value_float=0.0)
    count = op.Min(op.ReduceSum(of_image, op.Constant(value_ints=[0]), keepdims=0), limit)
    best = op.GatherND(boxes, op.Concat(image, anchor, axis=1))
    out_boxes = op.ScatterND(op.Expand(zero, shape4), place, best)
    out_scores = op.ScatterND(op.Expand(zero, shape), place, op.GatherND(by_class, chosen))
    out_labels = op.ScatterND(op.Expand(op.Constant(value_int=-1), shape), place, label)
    out_places = op.ScatterND(op.Expand(op.Constant(value_int=0), shape), place, op.Squeeze(anchor, one))
    return count, out_boxes, out_scores, out_labels, out_places


TRANSLATIONS = {torch.ops.detplug.select_detections.default: onnx_select_detections}
