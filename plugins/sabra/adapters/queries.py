"""Detectors with queries: DETR, Deformable DETR, DINO and all of mmdet's DetectionTransformer.

Letters: B images, Q queries, K classes, D boxes of an image, E dims of a query.
"""

import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.structures import InstanceData
from torch import Tensor

from .adapter import DetectorAdapter


@TASK_UTILS.register_module()
class QueryAdapter(DetectorAdapter):
    """Boxes of the last decoder layer with ``features`` (D, E), the state of each box's query.

    mmdet's heads do not say of which query a box is, so the selection (its DETRHead's: the best scores of all queries
    and classes with sigmoids, the best class of each query with softmax) is made here.
    """

    def boxes(self, maps: tuple[Tensor, ...], samples: list[DetDataSample]) -> list[InstanceData]:
        """As :class:`DetectorAdapter`."""
        states = self.detector.forward_transformer(maps, samples)
        scores, boxes = (x[-1] for x in self.detector.bbox_head(**states))
        features = states['hidden_states'][-1]
        return [self._of_image(*parts) for parts in zip(scores, boxes, features, samples, strict=True)]

    def _of_image(self, logits: Tensor, boxes: Tensor, features: Tensor, sample: DetDataSample) -> InstanceData:
        """(Q, K) logits (one more column with softmax), (Q, 4) shares cx, cy, w, h of the image, (Q, E)."""
        head = self.detector.bbox_head
        if head.loss_cls.use_sigmoid:
            scores, labels = logits.sigmoid().flatten(), torch.arange(logits.numel(), device=logits.device)
        else:
            scores, labels = logits.softmax(1)[:, :-1].max(1)
        scores, index = scores.topk(min(head.test_cfg.get('max_per_img', len(logits)), len(scores)))
        query = index // head.num_classes if head.loss_cls.use_sigmoid else index
        size = boxes.new_tensor(sample.img_shape[1::-1]).repeat(2)
        boxes = torch.minimum((bbox_cxcywh_to_xyxy(boxes[query]) * size).clamp(min=0), size)
        return InstanceData(
            bboxes=boxes, scores=scores, labels=labels[index] % head.num_classes, features=features[query]
        )
