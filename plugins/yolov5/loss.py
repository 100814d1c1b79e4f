"""YOLOv5's training loss over all levels at once: complete IoU of the boxes, objectness, classes.

N images, A anchors a level, K classes, M ground-truth boxes, P positives (see assigner.py), L levels.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.registry import MODELS
from mmengine.dist import get_world_size
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import softplus

from .assigner import assign, covered_cells
from .box_coding import decode
from .ciou import complete_iou
from .sparse_gradients import ClassEntropy, GatherPredictions


class ImageBoxes(NamedTuple):
    """Boxes of a whole batch: (M, 4) xyxy pixels, (M,) index of the image, (M,) label, (M,) weight."""

    boxes: Tensor
    images: Tensor
    labels: Tensor
    weights: Tensor | None = None  # all 1


class PositivePredictions(NamedTuple):
    """What the positives of one level, or of all, are made of."""

    boxes: Tensor  # (P, 4) the network's outputs there
    entropy: Tensor  # (P,) of the classes, summed over them
    objectness: Tensor  # (T,) of all T anchors
    cells: Tensor  # (P, 2) column, row
    anchors: Tensor  # (P, 2) pixels
    stride: Tensor  # (P, 1) pixels a cell
    index: Tensor  # (P,) into the objectness of all levels, flattened
    share: Tensor  # (P,) 1 / positives of the level
    target: Tensor  # (P,) index of the ground-truth box
    column: Tensor  # (P,) logits of the balanced class, or nothing (0,)


@MODELS.register_module()
class YOLOv5Loss(nn.Module):
    """Returns ``loss_box``, ``loss_obj``, ``loss_cls``, already weighted; their sum grows with the batch size.

    Args:
        box_weight, obj_weight, cls_weight: gains at 3 levels, 640 px and 80 classes; they are scaled to other numbers.
        level_weights: of the objectness of each level, shallow first.
        max_ratio: of a box's side to an anchor's, see :func:`plugins.yolov5.assigner.assign`.
        label_smoothing: class targets are 1 - s / 2 and s / 2 instead of 1 and 0.
        balanced: ``dict(label=K, prior=p)``: the column of a class whose few positives and many negatives count half
            each (ours); its logit is learned as if a share p of the objects were of this class, see
            :func:`balanced_entropy`. None treats all columns alike.

    Ours: where several boxes share a cell and anchor, objectness learns the largest IoU; a cell that is in no positive
    and whose centre lies in an ignored box has no objectness loss; "640 px" is the root of the input's area; a box may
    have a weight, how sure it is that an object of this class is there: it scales the class and objectness loss of its
    positives, the largest where several boxes share one. Where the box is, is not in doubt: its box loss stays.
    """

    def __init__(
        self,
        box_weight: float = 0.05,
        obj_weight: float = 1.0,
        cls_weight: float = 0.5,
        level_weights: Sequence[float] = (4.0, 1.0, 0.4),
        max_ratio: float = 4.0,
        label_smoothing: float = 0.0,
        balanced: dict | None = None,
    ):
        super().__init__()
        self.balanced = balanced
        self.box_weight, self.obj_weight, self.cls_weight = box_weight, obj_weight, cls_weight
        self.level_weights = tuple(level_weights)
        self.max_ratio = max_ratio
        self.label_smoothing = label_smoothing

    def forward(
        self, maps: Sequence[Tensor], anchors: Tensor, strides: Sequence[int], truth: ImageBoxes, ignored: ImageBoxes
    ) -> dict[str, Tensor]:
        """Loss of a batch.

        Args:
            maps: L tensors (N, A * (5 + K), H, W), an anchor's channels being x, y, width, height, objectness, classes.
            anchors: (L, A, 2) in pixels.
            strides: pixels a cell of each map.
            truth: the boxes to find.
            ignored: boxes in which finding something is neither right nor wrong.
        """
        maps = [raw.float().unflatten(1, (anchors.shape[1], -1)) for raw in maps]
        classes = maps[0].shape[2] - 5
        positives = self._match(maps, anchors, strides, truth)
        boxes = decode(positives.boxes, positives.cells, positives.anchors, positives.stride)
        iou = complete_iou(boxes, truth.boxes[positives.target])
        weight = None if truth.weights is None else truth.weights[positives.target]
        box = ((1 - iou) * positives.share).sum()
        obj = self._objectness(maps, strides, ignored, positives, iou.detach().clamp(min=0), weight)
        cls = (positives.entropy * (positives.share if weight is None else positives.share * weight)).sum()
        if self.balanced is not None:
            cls = cls + balanced_entropy(
                positives.column, truth.labels[positives.target], weight, **self.balanced
            ) * len(maps)
        cls = cls / max(classes, 1)
        pixels = maps[0].shape[3] * maps[0].shape[4] * strides[0] ** 2
        scale = len(maps[0]) * get_world_size() * 3 / len(maps)  # processes' gradients are averaged, YOLOv5's summed
        return dict(
            loss_box=box * self.box_weight * scale,
            loss_obj=obj * self.obj_weight * scale * pixels / 640**2,
            loss_cls=cls * self.cls_weight * scale * classes / 80,
        )

    def _match(
        self, maps: list[Tensor], anchors: Tensor, strides: Sequence[int], truth: ImageBoxes
    ) -> PositivePredictions:
        """Positives of all levels; ``maps`` are (N, A, 5 + K, H, W)."""
        centred = torch.cat([(truth.boxes[:, :2] + truth.boxes[:, 2:]) / 2, truth.boxes[:, 2:] - truth.boxes[:, :2]], 1)
        levels, start = [], 0
        for raw, sizes, stride in zip(maps, anchors, strides, strict=True):
            images, anchor_count, _, rows, columns = raw.shape
            match = assign(centred / stride, sizes / stride, (rows, columns), self.max_ratio)
            image = truth.images[match.box]
            index = start + ((image * anchor_count + match.anchor) * rows + match.row) * columns + match.column
            count = len(index)
            boxes, classes, objectness = GatherPredictions.apply(raw, image, match.anchor, match.row, match.column)
            column, labels = classes[:0, 0], truth.labels[match.box]
            entropy = ClassEntropy.apply(classes, labels, self.label_smoothing)
            if self.balanced is not None:  # out of the sum over the classes, where its positives drown
                column = classes[:, self.balanced['label']]
                entropy = entropy - bce(column, (labels == self.balanced['label']).to(column), reduction='none')
            levels.append(
                PositivePredictions(
                    boxes,
                    entropy,
                    objectness,
                    torch.stack([match.column, match.row], 1),
                    sizes[match.anchor],
                    sizes.new_full((count, 1), stride),
                    index,
                    sizes.new_full((count,), 1 / max(count, 1)),
                    match.box,
                    column,
                )
            )
            start += images * anchor_count * rows * columns
        return PositivePredictions(*(torch.cat(parts) for parts in zip(*levels, strict=True)))

    def _objectness(
        self,
        maps: list[Tensor],
        strides: Sequence[int],
        ignored: ImageBoxes,
        positives: PositivePredictions,
        iou: Tensor,
        weight: Tensor | None,
    ) -> Tensor:
        """Cross entropy of the objectness, averaged over each level and summed with the levels' weights."""
        logits, index = positives.objectness, positives.index
        target = torch.zeros_like(logits).scatter_reduce_(0, index, iou, 'amax')
        counts = torch.tensor([raw[:, :, 4].numel() for raw in maps])
        weights = (
            (torch.tensor(self.level_weights) / counts)
            .to(logits)
            .repeat_interleave(counts.to(logits.device), output_size=len(logits))
        )
        if weight is not None:
            shares = (
                torch.ones_like(weights).index_fill_(0, index, 0).scatter_reduce_(0, index, weight.to(weights), 'amax')
            )
            weights = weights * shares
        if len(ignored.boxes):
            silent = torch.cat(
                [
                    covered_cells(ignored.boxes, ignored.images, (len(raw), *raw.shape[3:]), stride)[:, None]
                    .expand(-1, raw.shape[1], -1, -1)
                    .flatten()
                    for raw, stride in zip(maps, strides, strict=True)
                ]
            )
            silent[index] = False
            weights = weights.masked_fill(silent, 0)
        return ((softplus(logits) - target * logits) * weights).sum()


def balanced_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None, label: int, prior: float) -> Tensor:
    """() 1/2 mean of softplus(-x) over the positives of a class and 1/2 mean of softplus(x) over the negatives.

    x = logit - log(prior / (1 - prior)): balanced training learns x as if half the objects were of the class, so the
    logit itself is that of the prior (logit adjustment, Menon et al., arXiv 2007.07314) and nothing has to be undone at
    inference or in an exported graph. 0 where either kind is missing: one alone has nothing to be balanced with.

    Args:
        logits: (P,) of the class.
        labels: (P,) of the positives' objects.
        weights: (P,) of the positives; None is 1.
    """
    x = logits - math.log(prior / (1 - prior))
    weights = torch.ones_like(x) if weights is None else weights.to(x)
    own = (labels == label).to(x) * weights
    other = (labels != label).to(x) * weights
    positive, negative = ((softplus(s * x) * w).sum() / w.sum().clamp(min=1e-6) for s, w in ((-1, own), (1, other)))
    return (positive + negative) / 2 * ((own.sum() > 0) & (other.sum() > 0))
