"""What OOD scores are made from: the features and known-class logits behind each predicted box.

D boxes of a batch, K known classes. A one-stage head gives them at the predicted cell if it has ``describe`` and
``last_layer`` (YOLOv5Head has); a two-stage head at the box, pooled again.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor, nn

from detplug.errors import UserError

from .scores import Head


class Group(NamedTuple):
    """Boxes whose features have one meaning: a level of a one-stage head, or all of a two-stage head.

    ``index`` (n,) into the batch's boxes, ``features`` (n, width), ``rows`` (n,) of the head, ``logits`` (n, K) of the
    known classes, ``objectness`` (n,) 0..1.
    """

    index: Tensor
    features: Tensor
    rows: Tensor
    logits: Tensor
    objectness: Tensor


class OneStageProbe:
    """Features at the cells that the predictions come from; one group a level."""

    sigmoid = True

    def __init__(self, head: nn.Module, classes: int):
        self.head, self.classes = head, classes

    @property
    def layers(self) -> list[Head]:
        """The last layer of each group: known classes only."""
        return [Head(weight[:, : self.classes], bias[:, : self.classes]) for weight, bias in self.head.last_layers()]

    def groups(self, feats: Sequence[Tensor], detections: Sequence[InstanceData]) -> list[Group]:
        """The groups of the boxes of a batch, image after image."""
        counts = torch.tensor([len(x) for x in detections], device=feats[0].device)
        images = torch.repeat_interleave(counts, output_size=sum(map(len, detections)))  # without it the host waits
        prior_index = torch.cat([x.prior_index for x in detections])
        return [
            Group(index, features, rows, logits[:, : self.classes], objectness)
            for index, features, rows, logits, objectness in self.head.describe(feats, images, prior_index)
        ]


class TwoStageProbe:
    """Features of the last shared layer at the predicted boxes; objectness is 1 - p(background); one group."""

    sigmoid = False

    def __init__(self, roi_head: nn.Module, classes: int):
        self.roi_head, self.classes = roi_head, classes

    @property
    def layers(self) -> list[Head]:
        layer = self.roi_head.bbox_head.fc_cls
        return [Head(layer.weight[None, : self.classes], layer.bias[None, : self.classes])]

    def groups(self, feats: Sequence[Tensor], detections: Sequence[InstanceData]) -> list[Group]:
        rois = bbox2roi([x.bboxes for x in detections])
        z = self._shared(self.roi_head.bbox_roi_extractor(feats[: self.roi_head.bbox_roi_extractor.num_inputs], rois))
        logits = self.roi_head.bbox_head.fc_cls(z)
        index = torch.arange(len(rois), device=z.device)
        objectness = 1 - logits.softmax(1)[:, -1]
        return [Group(index, z, torch.zeros_like(index), logits[:, : self.classes], objectness)]

    def _shared(self, pooled: Tensor) -> Tensor:
        """Input of fc_cls, by running the head up to it."""
        caught = []
        handle = self.roi_head.bbox_head.fc_cls.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
        try:
            self.roi_head.bbox_head(pooled)
        finally:
            handle.remove()
        return caught[0]


def make_probe(detector: nn.Module, classes: int) -> OneStageProbe | TwoStageProbe:
    """The probe of any mmdet detector that has one.

    Raises:
        UserError: a head that gives neither.
    """
    if isinstance(getattr(detector, 'roi_head', None), StandardRoIHead):
        return TwoStageProbe(detector.roi_head, classes)
    head = getattr(detector, 'bbox_head', None)
    if all(hasattr(head, name) for name in ('describe', 'last_layers')):
        return OneStageProbe(head, classes)
    kind = type(head if head is not None else detector).__name__
    raise UserError(
        f'config: model.detector: {kind} gives no features of its boxes; '
        'give the head describe() and last_layers() as plugins/openset/README.md says, or use mode closed'
    )


def predict_boxes(
    detector: nn.Module, feats: Sequence[Tensor], samples: list[DetDataSample], cfg: dict | None = None
) -> list[InstanceData]:
    """The boxes of each image in pixels of the network's input, with ``cfg`` in place of the detector's test_cfg."""
    metas = [x.metainfo for x in samples]
    if hasattr(detector, 'roi_head'):
        proposals = detector.rpn_head.predict(feats, samples, rescale=False)
        rcnn_cfg = detector.roi_head.test_cfg if cfg is None else cfg
        return detector.roi_head.predict_bbox(feats, metas, proposals, rcnn_test_cfg=rcnn_cfg, rescale=False)
    outputs = detector.bbox_head(feats)
    return detector.bbox_head.predict_by_feat(*outputs, batch_img_metas=metas, cfg=cfg, rescale=False)
