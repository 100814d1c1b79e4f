"""Diagnosis from the hidden labels of unlabelled images: for figures in the log, and for the mode ``oracle``.

Nothing here is ever a training target. An image without annotations has no hidden labels and gives no figures.
"""

import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

from .fusion import DROPPED
from .geometry import hidden_in_view

IOU = 0.5


def on_hidden_unknown(boxes: Tensor, sample: DetDataSample) -> Tensor | None:
    """(D,) bool: the box lies on an object of an unknown class; None without hidden labels."""
    items = sample.metainfo.get('unknown_instances')
    if items is None:
        return None
    unknown = hidden_in_view(items, sample, boxes)
    return (bbox_overlaps(boxes, unknown) > IOU).any(1) if len(unknown) else torch.zeros_like(boxes[:, 0]).bool()


def without_hidden_unknown(boxes: Tensor, fate: Tensor, sample: DetDataSample) -> Tensor:
    """``oracle``: the fates with every box on an unknown object dropped."""
    wrong = on_hidden_unknown(boxes, sample)
    return fate if wrong is None else fate.masked_fill(wrong, DROPPED)


def right_boxes(boxes: Tensor, labels: Tensor, sample: DetDataSample) -> Tensor | None:
    """(D,) bool: an object of the same class lies under the box; None without hidden labels."""
    items = sample.metainfo.get('instances')
    if items is None:
        return None
    truth = hidden_in_view(items, sample, boxes)
    names = labels.new_tensor([x['bbox_label'] for x in items if not x.get('ignore_flag', 0)])
    if not len(truth):
        return torch.zeros_like(labels).bool()
    return ((bbox_overlaps(boxes, truth) > IOU) & (labels[:, None] == names)).any(1)
