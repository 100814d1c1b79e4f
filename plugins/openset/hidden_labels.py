"""The hidden labels of unlabelled images: for figures in the log, and for the modes with ``oracle`` in their name.

No other mode ever trains on them. An image without annotations has no hidden labels and gives no figures.
"""

import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

from detplug.errors import UserError

from .fusion import TeacherBoxes
from .geometry import hidden_in_view
from .plan import ModePlan

IOU = 0.5


def hidden_unknown(sample: DetDataSample, like: Tensor) -> Tensor | None:
    """(U, 4) boxes of the objects of unknown classes in the view, xyxy px; None without hidden labels."""
    items = sample.metainfo.get('unknown_instances')
    return None if items is None else hidden_in_view(items, sample, like)


def on_any(boxes: Tensor, objects: Tensor) -> Tensor:
    """(D,) bool: the (D, 4) box lies on one of the (U, 4) objects."""
    return (bbox_overlaps(boxes, objects) > IOU).any(1)


def oracle_boxes(detections: TeacherBoxes, sample: DetDataSample, plan: ModePlan, classes: int) -> TeacherBoxes:
    """The teacher's boxes without those on unknown objects; if the plan has class "unknown", the objects themselves.

    These are certain (score, objectness and OOD score 1, label K), all other boxes ordinary (OOD score 0): what is then
    learned as "unknown" is right, whatever the teacher and the OOD scores are worth.

    Raises:
        UserError: the image has no hidden labels.
    """
    objects = hidden_unknown(sample, detections.boxes)
    if objects is None:
        raise UserError(
            f'{sample.metainfo.get("img_path", "unlabelled image")}: no hidden labels, which the modes with oracle in '
            'their name need; take an annotated data set as the unlabelled part, or another model.mode'
        )
    kept = detections.select(~on_any(detections.boxes, objects))
    kept = kept._replace(ood=torch.zeros_like(kept.ood))
    if not plan.unknown:
        return kept
    ones = kept.scores.new_ones(len(objects))
    labels = torch.full((len(objects),), classes, dtype=kept.labels.dtype, device=kept.labels.device)
    return TeacherBoxes(*map(torch.cat, zip(kept, (objects, ones, labels, ones, ones), strict=True)))


def right_boxes(boxes: Tensor, labels: Tensor, sample: DetDataSample) -> Tensor | None:
    """(D,) bool: an object of the same class lies under the box; None without hidden labels."""
    items = sample.metainfo.get('instances')
    if items is None:
        return None
    truth = hidden_in_view(items, sample, boxes)
    names = labels.new_tensor([x['bbox_label'] for x in items if not x.get('ignore_flag', 0)])
    return ((bbox_overlaps(boxes, truth) > IOU) & (labels[:, None] == names)).any(1)
