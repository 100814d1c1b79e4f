"""What detplug.export asks of a RelationDetector: its limits, names of its outputs, scores in fixed shapes.

Letters: N images, D detections, C predicates.
"""

import torch
from torch import Tensor, nn

from detplug.errors import UserError
from detplug.export.graph import GraphDetections

from .box_selection import limit_detections
from .heads.protocol import may_be_subject, predicts_without_object
from .image_boxes import ImageBoxes


class ExportedRelations:
    """A part of RelationDetector, which has ``detector``, ``relation_head``, ``limits``, ``all_detections``,
    ``given_features`` and ``seen``."""

    needs_image_sizes = True

    @property
    def bbox_head(self) -> nn.Module | None:
        """Of a one-stage detector, else None."""
        return getattr(self.detector, 'bbox_head', None)

    @property
    def export_limits(self) -> dict:
        """What replaces the limits of the detector's ``test_cfg`` in the graph."""
        return dict(score_thr=max(self.limits.score_thr, self.bbox_head.test_cfg.get('score_thr', 0.0)))

    def limit_detections(self, detections: GraphDetections) -> GraphDetections:
        """Those of the graph's detections that the head gets."""
        return limit_detections(
            detections, may_be_subject(self.relation_head, detections.labels.clamp(min=0)), self.limits
        )

    @property
    def extra_outputs(self) -> tuple[str, ...]:
        """Names of :meth:`describe_detections`'s results."""
        alone = predicts_without_object(self.relation_head)
        return ('relation_scores', 'intransitive_scores') if alone else ('relation_scores',)

    def check_export(self) -> None:
        """Whether the model has an ONNX form.

        Raises:
            UserError: boxes or features come from outside, the detector's other boxes are wanted too, or the head has
                no form of fixed shapes.
        """
        if self.detector is None and hasattr(self.relation_head, 'predict_all'):
            raise UserError(
                'model.detector: None, so boxes are given, which a graph of pictures does not get; export it with '
                '--format onnx-boxes, or put a detector in front (detplug join-checkpoints) and export that'
            )
        self.check_head_export()

    def check_head_export(self) -> None:
        """Whether the head has an ONNX form; see :meth:`check_export`."""
        name = type(self.relation_head).__name__
        if not hasattr(self.relation_head, 'predict_all'):
            raise UserError(f'model.head: {name} has no predict_all, so it has no ONNX form; see heads/protocol.py')
        if self.all_detections:
            raise UserError('model.all_detections: a graph has the boxes that the head gets; set it to False')
        if self.given_features:
            raise UserError(
                f'model.head.visual: {name} reads features of the boxes, which a graph does not get; train it with '
                'PairPooling, which reads maps'
            )

    def describe_detections(
        self, images: Tensor, feats: tuple[Tensor, ...], detections: GraphDetections, sizes: Tensor
    ) -> tuple[Tensor, ...]:
        """:meth:`relation_scores` of the detector's boxes, which torch clips to the image before the head sees them."""
        boxes = torch.minimum(detections.boxes.clamp(min=0), sizes.repeat(1, 2)[:, None])
        return self.relation_scores(detections._replace(boxes=boxes), sizes, self.seen(feats, images))

    def relation_scores(
        self, detections: GraphDetections, sizes: Tensor, feats: tuple[Tensor, ...] = ()
    ) -> tuple[Tensor, ...]:
        """Scores of relations (N, D, D, C), and of predicates without object (N, D, C); traced into exported graphs."""
        boxes = ImageBoxes(
            detections.boxes,
            detections.labels.clamp(min=0),
            detections.scores,
            torch.arange(detections.scores.shape[1], device=sizes.device) < detections.count[:, None],
            sizes,
        )
        pairs, intransitive = self.relation_head.predict_all(boxes, feats)
        return (pairs,) if intransitive is None else (pairs, intransitive)

    def manifest_entries(self) -> dict:
        """Names of the predicates."""
        return dict(predicates=list(self.dataset_meta['predicates']))
