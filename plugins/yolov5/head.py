"""YOLOv5's head for mmdet's SingleStageDetector: one 1x1 convolution a level, its loss, its predictions.

N images, A anchors a level, K classes. A map is (N, A * (5 + K), H, W); an anchor's channels are x, y, width, height,
objectness and the classes.
"""

import math
from collections.abc import Sequence

import torch
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.registry import MODELS
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor, nn

from detplug.data.letterbox import clip_boxes, original_boxes
from detplug.detection_limits import class_limit

from .anchors import cluster_sizes
from .assigner import fitting
from .box_coding import decode
from .loss import ImageBoxes
from .selection import best_candidates, candidates, suppress

ANCHORS = (((10, 13), (16, 30), (33, 23)), ((30, 61), (62, 45), (59, 119)), ((116, 90), (156, 198), (373, 326)))


@MODELS.register_module()
class YOLOv5Head(BaseDenseHead):
    """Boxes, objectness and classes of every cell and anchor.

    The anchors are a buffer: they travel with the weights, and a checkpoint's replace the config's.

    Args:
        num_classes: K.
        in_channels: of each map, shallow first.
        anchors: (levels, A, 2) width and height in pixels of the network's input.
        strides: pixels a cell of each map.
        criterion: the loss, by default ``dict(type='YOLOv5Loss')``.
        train_cfg: not used; mmdet passes it.
        test_cfg: ``score_thr``, ``nms`` (mmcv's config), ``nms_pre`` (candidates an image), ``max_per_img``,
            ``multi_label``, and, by default without, ``max_per_class``: detections of one class an image; ``nms_pre``
            then counts the candidates of each class, so that a frequent class takes no room of a rare one.
    """

    limits_per_class = True  # as detplug.detection_limits asks

    def __init__(
        self,
        num_classes: int,
        in_channels: Sequence[int],
        anchors: Sequence = ANCHORS,
        strides: Sequence[int] = (8, 16, 32),
        criterion: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        if not len(in_channels) == len(anchors) == len(strides):
            raise ValueError(
                f'in_channels, anchors and strides are of {len(in_channels)}, {len(anchors)} and {len(strides)} levels'
            )
        self.num_classes = num_classes
        self.strides = tuple(strides)
        self.test_cfg = test_cfg
        class_limit(test_cfg or {}, 'YOLOv5Head: test_cfg')
        self.register_buffer('anchors', torch.tensor(anchors, dtype=torch.float32))
        channels = self.anchors.shape[1] * (5 + num_classes)
        self.convs = nn.ModuleList(nn.Conv2d(c, channels, 1) for c in in_channels)
        self.criterion = MODELS.build(criterion or dict(type='YOLOv5Loss'))

    def init_weights(self) -> None:
        """torch's initialisation, then about 8 objects in a 640 px image and equal classes as the first guess."""
        super().init_weights()
        for conv, stride in zip(self.convs, self.strides, strict=True):
            conv.reset_parameters()
            bias = conv.bias.data.view(self.anchors.shape[1], -1)
            bias[:, 4] += math.log(8 / (640 / stride) ** 2)
            bias[:, 5:] += math.log(0.6 / (self.num_classes - 0.99999))

    def forward(self, feats: Sequence[Tensor]) -> tuple[tuple[Tensor, ...]]:
        """Maps of the neck -> one item, the tuple of output maps (mmdet hands the items to loss and predict)."""
        return (self.raw_predictions(feats),)

    def unmatched(self, sizes: Tensor) -> Tensor:
        """(M,) bool: boxes that fit no anchor and teach nothing; ``sizes`` (M, 2): width and height in input px."""
        anchors = self.anchors.flatten(0, 1).to(sizes)
        return ~fitting(sizes, anchors, self.criterion.max_ratio).any(1)

    def suggested_anchors(self, sizes: Tensor) -> str:
        """The option that sets anchors for boxes of ``sizes`` (M, 2) px of the input."""
        anchors = cluster_sizes(sizes.cpu().numpy(), self.anchors.shape[0] * self.anchors.shape[1])
        levels = anchors.reshape(*self.anchors.shape).round(1).tolist()
        return f'model.bbox_head.anchors={levels}'.replace(' ', '')

    def raw_predictions(self, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The network's outputs without decoding, (N, A * (5 + K), H, W) each: for accelerators that end here."""
        return tuple(conv(x) for conv, x in zip(self.convs, feats, strict=True))

    def decode_rule(self) -> dict:
        """The rule and constants that turn ``raw_predictions`` into boxes, for runtimes without torch."""
        return dict(type='anchor_grid', anchors=self.anchors.tolist(), strides=list(self.strides))

    def dense_predictions(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Box and class scores of every anchor; torch.export traces it with a dynamic batch.

        Returns:
            boxes (N, anchors, 4) xyxy in pixels of the input, scores (N, anchors, K) in 0..1; by level, anchor, row,
            column.
        """
        boxes, scores = [], []
        for raw, anchors, stride in zip(self.raw_predictions(feats), self.anchors, self.strides, strict=True):
            raw = raw.unflatten(1, (len(anchors), -1)).permute(0, 1, 3, 4, 2)
            row, column = (torch.arange(n, device=raw.device, dtype=raw.dtype) for n in raw.shape[2:4])
            cells = torch.stack(torch.meshgrid(column, row, indexing='xy'), -1)
            boxes.append(decode(raw[..., :4], cells, anchors[:, None, None], stride).flatten(1, 3))
            scores.append((raw[..., 5:].sigmoid() * raw[..., 4:5].sigmoid()).flatten(1, 3))
        return torch.cat(boxes, 1), torch.cat(scores, 1)

    def last_layers(self) -> list[tuple[Tensor, Tensor]]:
        """Of each level the weight (A, K, channels) and bias (A, K) that make class logits of the neck's maps."""
        return [(weight[:, 5:], bias[:, 5:]) for weight, bias in map(self._by_anchor, self.convs)]

    def describe(self, feats: Sequence[Tensor], images: Tensor, prior_index: Tensor) -> list[tuple[Tensor, ...]]:
        """What is behind predicted boxes, level by level.

        Args:
            feats: the neck's maps.
            images: (D,) index of each box's image.
            prior_index: (D,) as in the predictions.

        Returns:
            Of each level's n boxes the index (n,) among the D, the neck's features (n, channels), anchor (n,), class
            logits (n, K) and objectness (n,) in 0..1.
        """
        described, start, anchors = [], 0, self.anchors.shape[1]
        for feat, conv in zip(feats, self.convs, strict=True):
            cells, columns = feat.shape[2] * feat.shape[3], feat.shape[3]
            in_level = prior_index - start
            index = ((in_level >= 0) & (in_level < anchors * cells)).nonzero()[:, 0]
            anchor, cell = in_level[index] // cells, in_level[index] % cells
            z = feat[images[index], :, cell // columns, cell % columns]
            weight, bias = self._by_anchor(conv)
            outputs = torch.einsum('nd,nkd->nk', z, weight[anchor, 4:]) + bias[anchor, 4:]
            described.append((index, z, anchor, outputs[:, 1:], outputs[:, 0].sigmoid()))
            start += anchors * cells
        return described

    def describe_all(self, feats: Sequence[Tensor], prior_index: Tensor) -> list[tuple[Tensor, ...]]:
        """:meth:`describe` of (N, D) indices in fixed shapes, which torch.export traces.

        Returns:
            Of each level whether a detection is in it (N, D); as if all were: features (N, D, channels), anchor (N, D)
            and class logits (N, D, K).
        """
        described, start, anchors = [], 0, self.anchors.shape[1]
        for feat, conv in zip(feats, self.convs, strict=True):
            cells = feat.shape[2] * feat.shape[3]
            in_level = prior_index - start
            inside = (in_level >= 0) & (in_level < anchors * cells)
            in_level = in_level.clamp(0, anchors * cells - 1)
            anchor, cell = in_level // cells, in_level % cells
            z = feat.flatten(2).gather(2, cell[:, None].expand(-1, feat.shape[1], -1)).transpose(1, 2)
            weight, bias = self._by_anchor(conv)
            logits = torch.einsum('ndc,ndkc->ndk', z, weight[anchor, 5:]) + bias[anchor, 5:]
            described.append((inside, z, anchor, logits))
            start += anchors * cells
        return described

    def _by_anchor(self, conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
        """Weight (A, 5 + K, channels) and bias (A, 5 + K) of an output convolution."""
        anchors = self.anchors.shape[1]
        return conv.weight.view(anchors, 5 + self.num_classes, -1), conv.bias.view(anchors, -1)

    def loss_by_feat(
        self,
        maps: Sequence[Tensor],
        batch_gt_instances: list[InstanceData],
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: list[InstanceData | None] | None = None,
    ) -> dict[str, Tensor]:
        """``loss_box``, ``loss_obj``, ``loss_cls`` of a batch; ignored instances give no objectness loss."""
        ignored = batch_gt_instances_ignore or [None] * len(batch_gt_instances)
        return self.criterion(
            maps, self.anchors, self.strides, gather_boxes(batch_gt_instances, maps[0]), gather_boxes(ignored, maps[0])
        )

    def predict_by_feat(
        self, maps: Sequence[Tensor], batch_img_metas: list[dict], cfg: dict | None = None, rescale: bool = False
    ) -> list[InstanceData]:
        """The final boxes of each image, best first.

        Args:
            rescale: give boxes in pixels of the original image instead of the resized one, see :func:`to_image`.

        Returns:
            ``bboxes`` (D, 4) xyxy inside the image, ``scores`` (D,), ``labels`` (D,), ``prior_index`` (D,) of each
            image, the anchor's index by level, anchor, row, column.
        """
        cfg = self.test_cfg if cfg is None else cfg
        per_class = class_limit(cfg)
        image, *every = candidates(maps, self.anchors, self.strides, cfg['score_thr'], cfg.get('multi_label', True))
        results = []
        for index, meta in enumerate(batch_img_metas):
            mine = (image == index).nonzero()[:, 0]
            boxes, scores, labels, prior_index = (values[mine] for values in every)
            best = best_candidates(scores, labels, cfg.get('nms_pre', 30000), per_class)
            boxes, scores, labels, prior_index = (values[best] for values in (boxes, scores, labels, prior_index))
            dets, kept = suppress(boxes, scores, labels, cfg['nms'], cfg['max_per_img'], per_class)
            bboxes = to_image(dets[:, :4], meta, rescale)
            results.append(
                InstanceData(bboxes=bboxes, scores=dets[:, 4], labels=labels[kept], prior_index=prior_index[kept])
            )
        return results


def gather_boxes(instances: Sequence[InstanceData | None], like: Tensor) -> ImageBoxes:
    """The boxes of all images in one tensor, on the device of ``like``; images without instances may be None.

    Instances may have ``weights`` (G,), by default 1.
    """
    empty = like.new_zeros((0, 4), dtype=torch.float32)
    boxes = [empty if x is None else get_box_tensor(x.bboxes).to(empty).reshape(-1, 4) for x in instances]
    labels = [empty.new_zeros(0).long() if x is None else x.labels.to(like.device).long() for x in instances]
    weights = [
        x.weights.to(empty) if x is not None and 'weights' in x else empty.new_ones(len(own))
        for x, own in zip(instances, boxes, strict=True)
    ]
    counts = torch.tensor([len(x) for x in boxes], device=like.device)
    images = torch.repeat_interleave(counts, output_size=sum(map(len, boxes)))  # without it the host waits
    return ImageBoxes(torch.cat(boxes), images, torch.cat(labels), torch.cat(weights))


def to_image(boxes: Tensor, meta: dict, rescale: bool) -> Tensor:
    """Boxes (D, 4) of the network's input as boxes of the image, or, rescaled, of the original image; clipped to it.

    Args:
        meta: ``img_shape``; to rescale ``scale_factor`` (x, y) and ``ori_shape``; where the image does not begin at
            the input's top left corner ``pad_offset``, the (x, y) pixels before it.
    """
    boxes = boxes - boxes.new_tensor(meta.get('pad_offset', (0, 0))).repeat(2)
    return original_boxes(boxes, meta) if rescale else clip_boxes(boxes, meta['img_shape'])
