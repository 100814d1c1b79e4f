"""RelationDetector: a detector of mmdet, or boxes that are given, and a relation head.

Letters: B images, N boxes, T relations of an image, C predicates.
"""

from collections.abc import Sequence

import torch
from mmdet.models.detectors.base import BaseDetector
from mmdet.models.utils import rename_loss_dict
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from detplug.data.letterbox import original_boxes
from detplug.errors import UserError

from .adapters import adapter_of
from .box_selection import BoxLimits, SelectedBoxes, original_numbers, select_of_image
from .exported_relations import ExportedRelations
from .given_boxes import prediction_steps
from .heads.protocol import check_head, may_be_subject
from .image_boxes import ImageBoxes, pad_boxes
from .relation_listing import list_relations
from .relations import RelationResult
from .training_truth import detector_samples, image_offsets, image_sizes, truth_of, with_truth


@MODELS.register_module()
class RelationDetector(ExportedRelations, BaseDetector):
    """Boxes first, then the relations between them.

    Args:
        head: config of a relation head, see heads/protocol.py.
        detector: config of a detector (`pixels` mode): one-stage, two-stage or with queries, see adapters/; None: the
            boxes are ``proposals`` of the data (`boxes` mode).
        adapter: config of a DetectorAdapter for a detector of another kind.
        frozen: the detector learns nothing.
        map_gradient: share of the head's gradient that reaches the detector's maps; 0: the detector learns from its own
            losses alone. From scratch in few steps the head's early gradient keeps it from learning.
        max_boxes, score_thr, min_per_role: which boxes the head gets, see box_selection.py.
        all_detections: ``pred_instances`` has every box of the detector, not only those the head got: for a metric of
            boxes beside that of relations.
        with_truth: in training the ground truth's boxes, with score 1, join those that were found.
        max_relations: of an image; None: all.

    Raises:
        UserError: a head without what it needs, a detector of no known kind, options that exclude one another.
    """

    def __init__(
        self,
        head: dict,
        detector: dict | None = None,
        adapter: dict | None = None,
        frozen: bool = True,
        map_gradient: float = 1.0,
        max_boxes: int = 32,
        score_thr: float = 0.05,
        min_per_role: int = 3,
        all_detections: bool = False,
        with_truth: bool = True,
        max_relations: int | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(data_preprocessor or dict(type='mmengine.BaseDataPreprocessor'), init_cfg)
        self.detector = None if detector is None else MODELS.build(detector)
        self.adapter = None if detector is None else adapter_of(self.detector, adapter)
        self.relation_head = check_head(MODELS.build(head))
        self.frozen, self.map_gradient, self.with_truth = frozen, map_gradient, with_truth
        self.limits = BoxLimits(max_boxes, score_thr, min_per_role)
        self.all_detections, self.max_relations = all_detections, max_relations
        if self.detector is None:
            if self.reads_input:
                raise UserError('model.head.head_crops: boxes that are given have no picture; give it a detector')
            return
        if self.given_features and with_truth:
            raise UserError(
                'model.with_truth: ground truth has no query features, which the head reads; set with_truth=False'
            )
        if frozen:
            self.detector.requires_grad_(False)
        if not all_detections and 'score_thr' in (getattr(self.bbox_head, 'test_cfg', None) or {}):
            cfg = self.bbox_head.test_cfg  # boxes that no head gets need not be found
            self.bbox_head.test_cfg = ConfigDict(cfg, score_thr=max(score_thr, cfg['score_thr']))

    def train(self, mode: bool = True) -> 'RelationDetector':
        """A frozen detector stays as it is, its running means too."""
        super().train(mode)
        if self.detector is not None and self.frozen:
            self.detector.eval()
        return self

    @property
    def given_features(self) -> bool:
        """Whether the head reads features of the boxes, which queries or files have, in place of maps."""
        return any(getattr(module, 'reads_features', False) for module in self.relation_head.children())

    @property
    def reads_input(self) -> bool:
        """Whether the head reads the network's input beside the maps."""
        return any(getattr(module, 'reads_input', False) for module in self.relation_head.children())

    def seen(self, feats: Sequence[Tensor], inputs: Tensor) -> Sequence[Tensor]:
        """What the head sees: the detector's maps and, where it reads the network's input, that as the last."""
        return (*feats, inputs) if self.reads_input else feats

    # -- training ------------------------------------------------------------------------------------------------------

    def loss(self, inputs: Tensor, samples: list[DetDataSample]) -> dict[str, Tensor]:
        """Losses of the head and, unless it is frozen, of the detector (``detector_...``)."""
        self.check_boxes(samples)
        losses = {}
        if self.detector is None or self.frozen:
            feats, detections = self.find(inputs, samples)
        else:
            losses, (feats, detections) = self.adapter.learn(inputs, detector_samples(samples))
        detections = [x.chosen for x in self.select(detections)]
        if self.with_truth and self.detector is not None:
            detections = [with_truth(x, sample) for x, sample in zip(detections, samples, strict=True)]
        if self.map_gradient < 1:
            feats = [share_of_gradient(x, self.map_gradient) for x in feats]
        feats = self.seen(feats, inputs)
        losses = rename_loss_dict('detector_', losses)
        return losses | self.relation_head.loss(self.padded(detections, samples), truth_of(samples), feats)

    def check_boxes(self, samples: list[DetDataSample]) -> None:
        """Boxes are given, or a detector finds them.

        Raises:
            UserError: neither, or both.
        """
        if self.detector is None and not all('proposals' in x for x in samples):
            raise UserError('RelationDetector: no boxes are given; add FileProposals to the pipeline, or a detector')
        if self.detector is not None and any('proposals' in x for x in samples):
            raise UserError(
                'RelationDetector: the pipeline gives boxes, but model.detector finds its own; take FileProposals (or '
                'what else gives them) out of the pipeline, or set detector=None'
            )

    def find(self, inputs: Tensor, samples: list[DetDataSample]) -> tuple[tuple[Tensor, ...], list[InstanceData]]:
        """The detector's maps (none in `boxes` mode) and each image's boxes in pixels of the network's input."""
        if self.detector is None:
            return (), [x.proposals for x in samples]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.adapter.detect(inputs, samples)

    def select(self, detections: list[InstanceData], asked: list[Tensor] | None = None) -> list[SelectedBoxes]:
        """Of each image what the head gets; ``asked`` (P, 2) are the pairs that the data ask about, in each image."""
        asked = [None] * len(detections) if asked is None else asked
        return [
            select_of_image(x, may_be_subject(self.relation_head, x.labels), self.limits, pairs)
            for x, pairs in zip(detections, asked, strict=True)
        ]

    @staticmethod
    def padded(detections: list[InstanceData], samples: list[DetDataSample]) -> ImageBoxes:
        """The boxes of all images as one."""
        like = detections[0].bboxes
        return pad_boxes(detections, image_sizes(samples, like), image_offsets(samples, like))

    # -- prediction ----------------------------------------------------------------------------------------------------

    def predict(self, inputs: Tensor, samples: list[DetDataSample], rescale: bool = True) -> list[DetDataSample]:
        """Adds ``pred_instances`` and ``pred_relations`` (:class:`RelationResult`) to each sample."""
        self.check_boxes(samples)
        feats, detections = self.find(inputs, samples)
        asked = [x.proposal_pairs.indices for x in samples] if all('proposal_pairs' in x for x in samples) else None
        selected = self.select(detections, asked)
        given = None if asked is None else pairs_of_batch([x.pairs for x in selected])
        pairs, scores, intransitive = self.relation_head.predict(
            self.padded([x.chosen for x in selected], samples), self.seen(feats, inputs), given
        )
        for number, (sample, selection) in enumerate(zip(samples, selected, strict=True)):
            mine = pairs[:, 0] == number
            alone = None if intransitive is None else intransitive[number, : len(selection.kept)]
            triplets, chances = list_relations(pairs[mine, 1:], scores[mine], alone, self.max_relations)
            if self.all_detections:
                self._report(sample, selection.every, original_numbers(triplets, selection.kept), chances, rescale)
            else:
                self._report(sample, selection.chosen, triplets, chances, rescale)
        return samples

    @staticmethod
    def _report(
        sample: DetDataSample, detections: InstanceData, triplets: Tensor, scores: Tensor, rescale: bool
    ) -> None:
        detections = InstanceData(bboxes=detections.bboxes, labels=detections.labels, scores=detections.scores)
        if rescale:
            detections.bboxes = original_boxes(detections.bboxes, sample.metainfo)
        sample.pred_instances = detections
        arrays = (
            x.detach().cpu().numpy()
            for x in (detections.bboxes, detections.labels, detections.scores, triplets, scores)
        )
        sample.set_field(RelationResult(*arrays), 'pred_relations')

    # -- prediction of pictures with boxes of a file, as detplug.cli.predict asks --------------------------------------

    @property
    def needs_boxes(self) -> bool:
        """Whether the boxes of the pictures must be given (``predict --boxes FILE``)."""
        return self.detector is None

    def steps_with_boxes(self, steps: list[dict], file: str, annotations: str | None) -> list[dict]:
        """The transforms of a picture in memory, with the boxes of ``file`` in place of those of the test pipeline."""
        return prediction_steps(steps, file, tuple(self.dataset_meta['classes']), annotations)

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


def pairs_of_batch(pairs: list[Tensor]) -> Tensor:
    """(P, 3) image, subject, object, from (P, 2) of each image."""
    return torch.cat([torch.cat([torch.full_like(x[:, :1], number), x], 1) for number, x in enumerate(pairs)])
