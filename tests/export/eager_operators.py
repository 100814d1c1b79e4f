"""What the operators of exported graphs say, in plain torch with mmcv's operators: the oracle of their ONNX forms."""

import torch
from mmcv.ops import nms, roi_align
from torch import Tensor


def select(
    boxes: Tensor, scores: Tensor, score_thr: float, iou_threshold: float, limit: int, per_class: int
) -> tuple[Tensor, ...]:
    """As ``detplug::select_detections``, class by class and image by image."""
    rows = [_of_image(*image, score_thr, iou_threshold, limit, per_class) for image in zip(boxes, scores, strict=True)]
    count = torch.tensor([len(row[0]) for row in rows])
    columns = zip(*rows, strict=True)
    fill = (0.0, 0.0, -1, 0)
    padded = [
        torch.stack([torch.cat([x, x.new_full((limit - len(x), *x.shape[1:]), value)]) for x in column])
        for column, value in zip(columns, fill, strict=True)
    ]
    return count, *padded


def _of_image(
    boxes: Tensor, scores: Tensor, score_thr: float, iou_threshold: float, limit: int, per_class: int
) -> tuple[Tensor, ...]:
    found = []
    for label in range(scores.shape[1]):
        place = (scores[:, label] > score_thr).nonzero()[:, 0]
        kept = nms(boxes[place], scores[place, label].contiguous(), iou_threshold)[1][:per_class]
        place = place[kept]
        found.append((boxes[place], scores[place, label], torch.full_like(place, label), place))
    columns = [torch.cat(column) for column in zip(*found, strict=True)]
    best = columns[1].argsort(descending=True, stable=True)[:limit]
    return tuple(column[best] for column in columns)


def align(out, maps, rois, chosen, side, scale, sampling, aligned) -> Tensor:
    """As ``detplug::roi_align_rows``."""
    out = out.clone()
    out[chosen] = roi_align(maps, rois[chosen], (side, side), scale, sampling, 'avg', aligned)
    return out
