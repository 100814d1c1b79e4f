"""RelationDetector: any mmdet detector, or boxes that are given, and a relation head.

Letters: B images, N boxes, T relations of an image, C predicates.
"""

import torch
from mmdet.models.detectors.base import BaseDetector
from mmdet.models.utils import rename_loss_dict
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor, nn

from detplug.data.letterbox import original_boxes
from detplug.errors import UserError
from detplug.export.graph import Found

from .image_boxes import ImageBoxes, pad_boxes
from .proposals import Truth
from .relations import NO_OBJECT, RelationResult


@MODELS.register_module()
class RelationDetector(BaseDetector):
    """Boxes first, then the relations between them.

    Args:
        head: config of RelationHead.
        detector: config of a detector (`pixels` mode); None: the boxes are ``proposals`` of the data (`boxes` mode).
        frozen: the detector learns nothing.
        map_gradient: share of the head's gradient that reaches the detector's maps; 0: the detector learns from its own
            losses alone. From scratch in few steps the head's early gradient keeps it from learning.
        max_boxes: of an image, the surest are kept.
        score_thr: boxes below are left out.
        with_truth: in training the boxes of the truth, with score 1, join those that were found.
        max_relations: of an image; None: all.
    """

    def __init__(
        self,
        head: dict,
        detector: dict | None = None,
        frozen: bool = True,
        map_gradient: float = 1.0,
        max_boxes: int = 32,
        score_thr: float = 0.05,
        with_truth: bool = True,
        max_relations: int | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(data_preprocessor or dict(type='mmengine.BaseDataPreprocessor'), init_cfg)
        self.detector = None if detector is None else MODELS.build(detector)
        self.relation_head = MODELS.build(head)
        self.frozen, self.map_gradient, self.with_truth = frozen, map_gradient, with_truth
        self.max_boxes, self.score_thr, self.max_relations = max_boxes, score_thr, max_relations
        if self.detector is not None and frozen:
            self.detector.requires_grad_(False)
        if self.bbox_head is not None:  # boxes that would be left out below need not be found
            cfg = self.bbox_head.test_cfg
            limits = dict(score_thr=max(score_thr, cfg['score_thr']), max_per_img=min(max_boxes, cfg['max_per_img']))
            self.bbox_head.test_cfg = ConfigDict(cfg, **limits)

    def train(self, mode: bool = True) -> 'RelationDetector':
        """A frozen detector stays as it is, its running means too."""
        super().train(mode)
        if self.detector is not None and self.frozen:
            self.detector.eval()
        return self

    # -- training ------------------------------------------------------------------------------------------------------

    def loss(self, inputs: Tensor, samples: list[DetDataSample]) -> dict[str, Tensor]:
        """Losses of the head and, unless it is frozen, of the detector."""
        feats, found = self.find(inputs, samples)
        losses = {} if self.detector is None or self.frozen else self.detector_losses(feats, inputs, samples)
        if self.with_truth and self.detector is not None:
            found = [with_truth(x, sample) for x, sample in zip(found, samples, strict=True)]
        boxes = pad_boxes(found, image_sizes(samples, found[0].bboxes))
        if self.map_gradient < 1:
            feats = [share_of_gradient(x, self.map_gradient) for x in feats]
        return losses | self.relation_head.loss(boxes, truth_of(samples), feats)

    def find(self, inputs: Tensor, samples: list[DetDataSample]) -> tuple[tuple[Tensor, ...], list[InstanceData]]:
        """The detector's maps (none in `boxes` mode) and each image's boxes in pixels of the network's input."""
        if self.detector is None:
            return (), [self.surest(x.proposals) for x in samples]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            feats = self.detector.extract_feat(inputs)
        with torch.no_grad():
            return feats, [self.surest(x) for x in self.boxes_of(feats, samples)]

    def detector_losses(
        self, feats: tuple[Tensor, ...], inputs: Tensor, samples: list[DetDataSample]
    ) -> dict[str, Tensor]:
        """The detector's own losses; a one-stage detector shares its maps with the relation head."""
        one_stage = not hasattr(self.detector, 'roi_head')
        losses = self.detector.bbox_head.loss(feats, samples) if one_stage else self.detector.loss(inputs, samples)
        return rename_loss_dict('detector_', losses)

    def boxes_of(self, feats: tuple[Tensor, ...], samples: list[DetDataSample]) -> list[InstanceData]:
        """The detector's boxes of each image."""
        if hasattr(self.detector, 'roi_head'):
            proposals = self.detector.rpn_head.predict(feats, samples, rescale=False)
            return self.detector.roi_head.predict(feats, proposals, samples, rescale=False)
        return self.detector.bbox_head.predict(feats, samples, rescale=False)

    def surest(self, found: InstanceData) -> InstanceData:
        """At most ``max_boxes`` boxes of at least ``score_thr``, the surest first."""
        found = found[found.scores >= self.score_thr]
        return found[found.scores.argsort(dim=0, descending=True, stable=True)[: self.max_boxes]]

    # -- prediction ----------------------------------------------------------------------------------------------------

    def predict(self, inputs: Tensor, samples: list[DetDataSample], rescale: bool = True) -> list[DetDataSample]:
        """Adds ``pred_instances`` and ``pred_relations`` (:class:`RelationResult`) to each sample."""
        feats, found = self.find(inputs, samples)
        boxes = pad_boxes(found, image_sizes(samples, found[0].bboxes))
        pairs, scores, solo = self.relation_head.predict(boxes, feats, given_pairs(samples))
        for number, (sample, own) in enumerate(zip(samples, found, strict=True)):
            mine = pairs[:, 0] == number
            alone = None if solo is None else solo[number, : len(own)]
            triplets, chances = list_relations(pairs[mine, 1:], scores[mine], alone, self.max_relations)
            if rescale:
                own.bboxes = original_boxes(own.bboxes, sample.metainfo)
            sample.pred_instances = own
            sample.set_field(
                RelationResult(*(x.cpu().numpy() for x in (own.bboxes, own.labels, own.scores, triplets, chances))),
                'pred_relations',
            )
        return samples

    # -- export, as detplug.export asks --------------------------------------------------------------------------------

    needs_image_sizes = True

    @property
    def bbox_head(self) -> nn.Module | None:
        """Of a one-stage detector, else None."""
        return getattr(self.detector, 'bbox_head', None)

    @property
    def extra_outputs(self) -> tuple[str, ...]:
        """Names of :meth:`describe_found`'s results."""
        return ('relation_scores',) if self.relation_head.to_solo is None else ('relation_scores', 'solo_scores')

    def describe_found(self, feats: tuple[Tensor, ...], found: Found, sizes: Tensor) -> tuple[Tensor, ...]:
        """Scores of relations (N, D, D, C), and of predicates without object (N, D, C); traced into exported graphs."""
        boxes = ImageBoxes(
            torch.minimum(found.boxes.clamp(min=0), sizes.repeat(1, 2)[:, None]),
            found.labels.clamp(min=0),
            found.scores,
            torch.arange(found.scores.shape[1], device=sizes.device) < found.count[:, None],
            sizes,
        )
        pairs, solo = self.relation_head.predict_all(boxes, feats)
        return (pairs,) if solo is None else (pairs, solo)

    def manifest_entries(self) -> dict:
        """Names of the predicates."""
        return dict(predicates=list(self.dataset_meta['predicates']))

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """The detector's maps."""
        return () if self.detector is None else self.detector.extract_feat(inputs)

    def _forward(self, inputs: Tensor, samples: list[DetDataSample] | None = None):
        """The detector's raw outputs; the relation head has none before there are boxes."""
        if self.detector is None:
            raise UserError('RelationDetector: mode tensor: boxes that are given have no maps; give it a detector')
        return self.detector(inputs, samples, mode='tensor')


def share_of_gradient(x: Tensor, share: float) -> Tensor:
    """``x``, through which only a share of the gradient goes back; 0 cuts it off, which saves its computation."""
    return torch.lerp(x.detach(), x, share) if share else x.detach()


def list_relations(pairs: Tensor, scores: Tensor, solo: Tensor | None, most: int | None) -> tuple[Tensor, Tensor]:
    """The relations of one image that have a score above 0, highest first.

    Args:
        pairs: (P, 2) subject, object; scores: (P, C); solo: (N, C) scores without object, or None.

    Returns:
        (T, 3) triplets and (T,) scores.
    """
    pair, predicate = (scores > 0).nonzero(as_tuple=True)
    triplets, chances = torch.cat([pairs[pair], predicate[:, None]], 1), scores[pair, predicate]
    if solo is not None:
        subject, predicate = (solo > 0).nonzero(as_tuple=True)
        alone = torch.stack([subject, torch.full_like(subject, NO_OBJECT), predicate], 1)
        triplets, chances = torch.cat([triplets, alone]), torch.cat([chances, solo[subject, predicate]])
    order = chances.argsort(dim=0, descending=True, stable=True)[:most]
    return triplets[order], chances[order]


def given_pairs(samples: list[DetDataSample]) -> Tensor | None:
    """(P, 3) image, subject, object of the pairs that the data ask about; None where they ask about all."""
    if not all('proposal_pairs' in x for x in samples):
        return None
    pairs = [x.proposal_pairs.indices for x in samples]
    return torch.cat([torch.cat([torch.full_like(x[:, :1], number), x], 1) for number, x in enumerate(pairs)])


def truth_of(samples: list[DetDataSample]) -> Truth:
    """Objects and relations of a batch."""
    truths = [x.gt_instances for x in samples]
    objects = pad_boxes(truths, image_sizes(samples, truths[0].bboxes))
    rows = [
        torch.cat([torch.full_like(x.gt_relations.triplets[:, :1], number), x.gt_relations.triplets], 1)
        for number, x in enumerate(samples)
    ]
    judged = torch.nn.utils.rnn.pad_sequence([x.judged for x in truths], batch_first=True)
    if not judged.shape[1]:
        judged = objects.valid
    return Truth(objects, torch.cat(rows), judged)


def with_truth(found: InstanceData, sample: DetDataSample) -> InstanceData:
    """The boxes of the truth with score 1, then those that were found."""
    truth = sample.gt_instances
    own = InstanceData(bboxes=truth.bboxes, labels=truth.labels, scores=torch.ones_like(truth.bboxes[:, 0]))
    return InstanceData.cat([own, InstanceData(bboxes=found.bboxes, labels=found.labels, scores=found.scores)])


def image_sizes(samples: list[DetDataSample], like: Tensor) -> Tensor:
    """(B, 2) width and height in px of the network's input, at least 1."""
    return like.new_tensor([x.img_shape[1::-1] for x in samples]).clamp(min=1)
