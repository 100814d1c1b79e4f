"""A detector whose detections are named "unknown" as far as they are strange; made by ``plugins.openset.add_unknown``.

Ours, see fuse.py. N images, D detections, K known classes.
"""

from collections.abc import Sequence

import numpy as np
import torch
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor, nn

from detplug.data.letterbox import original_boxes
from detplug.errors import UserError
from detplug.export.graph import GraphDetections

from ..ood_model import OODModel
from ..probes import Group
from ..scores import SCORERS
from .adapters import adapter_of
from .fuse import FusedRule, fuse

OUTPUTS = ('ood_scores', 'objectness', 'p_unknown')
TAIL = 0.01  # of ClassCDF: strangeness that orders what is stranger than all labelled boxes


@MODELS.register_module()
class WithUnknown(BaseDetector):
    """``detector`` with fusion at inference; label K is "unknown".

    The OOD model and the threshold tau are buffers: they travel with the checkpoint that ``add_unknown`` writes.

    Args:
        detector: config of YOLOv5, RTMDet, RetinaNet or Faster R-CNN, with K classes or K + 1, the last "unknown".
        classes: K.
        has_unknown_class: the detector has a column for "unknown", the last.
        scorer: config of one of ``plugins.openset.scores``.
        calibration, by_class: of :class:`OODModel`.
        budget, class_share: what tau was chosen for: known objects an image, and share of those of any one class, that
            may be named unknown.
        iou, one_name: of :class:`FusedRule`.
    """

    def __init__(
        self,
        detector: dict,
        classes: int,
        has_unknown_class: bool = False,
        scorer: dict | None = None,
        calibration: str = 'none',
        by_class: bool = True,
        budget: float = 1.0,
        class_share: float = 1.0,
        iou: float = 0.5,
        one_name: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(data_preprocessor, init_cfg)
        self.detector = MODELS.build(detector)
        self.classes, self.iou, self.one_name = classes, iou, one_name
        self.budget, self.class_share = budget, class_share
        self.has_unknown_class, self.adapter = has_unknown_class, adapter_of(self.detector, classes)
        if self.adapter.columns != classes + has_unknown_class:
            raise UserError(
                f'config: model: {self.adapter.columns} classes in the head, {classes} known ones'
                f'{" and unknown" if has_unknown_class else ""}; make them agree'
            )
        scorer = dict(scorer or dict(type='Rarity'))
        if scorer['type'] == 'UnknownClass' and not has_unknown_class:
            raise UserError('config: model.scorer: UnknownClass: the detector has no class "unknown"; take Rarity')
        if scorer['type'] == 'UnknownClass' and calibration != 'none':
            raise UserError(
                f'config: model.calibration: {calibration}: UnknownClass has no score to calibrate; take none'
            )
        self.with_features = uses_features(scorer)
        widths, rows = self._widths(scorer) if self.with_features else ([0], [1])
        self.ood = OODModel(widths, rows, classes, scorer, self.adapter.sigmoid, by_class, calibration, TAIL)
        self.register_buffer('tau', torch.tensor(1.0, dtype=torch.float64))

    def _widths(self, scorer: dict) -> tuple[list[int], list[int]]:
        """Width and rows of each group of features.

        Raises:
            UserError: a scorer that needs the last layer of a head where that is no linear map of one place.
        """
        layers = self.adapter.layers
        if layers is not None:
            return [x.weight.shape[2] for x in layers], [x.weight.shape[0] for x in layers]
        if scorer['type'] in ('ReAct', 'ASHS', 'VRA', 'VRAPlus', 'VRAPlusPlus', 'ViM'):
            raise UserError(
                f'config: model.scorer: {scorer["type"]} needs a last layer of 1 x 1 cells, '
                f'{type(self.adapter.head).__name__} has a larger one; '
                'take MaxLogit, Energy, MSP, KNN, Mahalanobis or RMD'
            )
        return tuple(map(list, zip(*self.adapter.widths, strict=True)))

    @staticmethod
    def class_names(names: Sequence[str]) -> tuple[str, ...]:
        """Names by label: the known classes of the data and, last, "unknown"."""
        return (*names, 'unknown')

    @staticmethod
    def head_names(model: dict, names: Sequence[str]) -> Sequence[str]:
        """The names that the heads of ``model``, a config, tell apart."""
        return (*names, 'unknown') if model.get('has_unknown_class') else names

    # -- what mmdet asks of a detector ---------------------------------------------------------------------------------

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        return self.detector.extract_feat(batch_inputs)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: list | None = None):
        return self.detector._forward(batch_inputs, batch_data_samples)

    def loss(self, batch_inputs: Tensor, batch_data_samples: list) -> dict:
        """Nothing is trained here.

        Raises:
            UserError: always; a detector that moves has another strangeness.
        """
        raise UserError('config: model: WithUnknown is not trained; train its detector, then run add_unknown again')

    @torch.no_grad()
    def predict(self, batch_inputs: Tensor, batch_data_samples: list[DetDataSample], rescale: bool = True):
        """Detections after fusion, with ``ood_scores`` (D,) 0..1; boxes in pixels of the file, or of the input."""
        for sample in batch_data_samples:
            sample.set_metainfo(dict(names_unknown=True))  # for the metric
        feats = self.extract_feat(batch_inputs)
        detections = self.described(feats, batch_data_samples, rescale)
        return self.add_pred_to_datasample(batch_data_samples, [self.fused(x) for x in detections])

    # -- parts ---------------------------------------------------------------------------------------------------------

    def described(
        self, feats: Sequence[Tensor], samples: list[DetDataSample], rescale: bool = True
    ) -> list[InstanceData]:
        """The detector's own detections with ``ood_scores``, ``objectness`` and ``p_unknown`` (D,)."""
        results = self.adapter.predict(feats, samples)
        counts = [len(x) for x in results]
        groups = self.adapter.groups(feats, results)
        scores = torch.cat([x.scores for x in results])
        p_unknown = torch.zeros_like(scores)
        for group in groups:
            p_unknown[group.index] = self.adapter.p_unknown(group.logits)
        ood, objectness, p_unknown = self._of_box(*self.ood(self.grouped(groups), len(scores)), p_unknown)
        for result, sample, *values in zip(
            results, samples, *(x.split(counts) for x in (ood, objectness, p_unknown)), strict=True
        ):
            for name, value in zip(OUTPUTS, values, strict=True):
                result[name] = value
            if rescale:
                result.bboxes = original_boxes(result.bboxes, sample.metainfo)
        return results

    def _of_box(self, ood: Tensor, objectness: Tensor, p_unknown: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """OUTPUTS. Of a raw score s what is thresholded is the box's u, objectness included, as names are by score."""
        if self.ood.calibrated:
            return ood, objectness, p_unknown
        return objectness * (1 - (1 - ood) * (1 - p_unknown)), torch.ones_like(p_unknown), torch.zeros_like(p_unknown)

    def grouped(self, groups: Sequence[Group]) -> list[Group]:
        """As the OOD model takes them: logits of the known classes; one group where no features are asked for."""
        groups = [x._replace(logits=x.logits[:, : self.classes]) for x in groups]
        if self.with_features:
            return groups
        index, features, rows, logits, objectness = map(torch.cat, zip(*[strip(x) for x in groups], strict=True))
        return [Group(index, features, rows, logits, objectness)]

    @property
    def rule(self) -> FusedRule:
        """What decides about names."""
        head = self.detector.roi_head if self.bbox_head is None else self.detector.bbox_head
        cfg = head.test_cfg
        limit = cfg.get('max_per_img', -1)
        return FusedRule(
            self.classes,
            float(self.tau),
            self.iou,
            self.one_name,
            float(cfg.get('score_thr', 0.0)),
            int(limit) if limit > 0 else None,
            cfg.get('max_per_class'),
        )

    def fused(self, result: InstanceData) -> InstanceData:
        """The detections of one image after :func:`fuse`."""
        arrays = {name: result[name].cpu().numpy() for name in ('bboxes', 'scores', 'labels', *OUTPUTS)}
        index, scores, labels = fuse(*arrays.values(), self.rule)
        device = result.scores.device
        chosen = torch.from_numpy(index).to(device)
        return InstanceData(
            bboxes=result.bboxes[chosen],
            scores=torch.from_numpy(scores.astype(np.float32)).to(device),
            labels=torch.from_numpy(labels).to(device),
            ood_scores=result.ood_scores[chosen],
        )

    # -- export, as detplug.export asks --------------------------------------------------------------------------------

    @property
    def bbox_head(self) -> nn.Module | None:
        """Of a one-stage detector; a graph of it has its decoding and selection, since fusion needs detections."""
        head = getattr(self.detector, 'bbox_head', None)
        return WithoutRaw(head) if hasattr(head, 'raw_predictions') else head

    @property
    def roi_head(self) -> nn.Module | None:
        """Of a two-stage detector."""
        return getattr(self.detector, 'roi_head', None)

    @property
    def rpn_head(self) -> nn.Module | None:
        """Of a two-stage detector."""
        return getattr(self.detector, 'rpn_head', None)

    @property
    def extra_outputs(self) -> tuple[str, ...]:
        """Names of :meth:`describe_detections`'s results."""
        return OUTPUTS

    def prepare_export(self) -> None:
        """Called before a graph is traced."""
        self.ood.prepare_export()

    def describe_detections(
        self, images: Tensor, feats: Sequence[Tensor], detections: GraphDetections, sizes: Tensor | None
    ) -> tuple[Tensor, ...]:
        """(N, D) strangeness, objectness and p("unknown" | object) of the detections; traced into the graph."""
        traced = self.adapter.traced(feats, detections, sizes, self.with_features)
        groups = traced.groups
        if not self.with_features:
            row = torch.zeros_like(detections.labels)
            groups = [(row == 0, traced.logits[..., :0], row, traced.logits)]
        ood, p_unknown = self.ood.of_detections(groups, self.classes), self.adapter.p_unknown(traced.logits)
        return self._of_box(ood, traced.objectness, p_unknown)

    def manifest_entries(self) -> dict:
        """Which label is "unknown", and the rule that names it: the runtime fuses by it."""
        rule = {name: value for name, value in vars(self.rule).items() if value is not None}
        rule |= dict(
            budget=self.budget,
            class_share=self.class_share,
            scorer=type(self.ood.scorers[0]).__name__,
            calibration=self.ood.calibration,
            meaning=(
                'ood_scores: strangeness s, 0 to 1; g = s(1 - tau) / (s(1 - tau) + tau(1 - s)); '
                'u = 1 - (1 - p_unknown)(1 - g); unknown above u = 1/2, with score objectness x u; known scores are '
                'multiplied by 1 - g where g is above 1/2; the name that scores less is listed with a tenth of its '
                'score; tau: at most budget known objects an image of val are named unknown, and of those of a '
                'class at most class_share'
            ),
        )
        return dict(openset=dict(unknown_class=self.classes, fusion=rule))


class WithoutRaw(nn.Module):
    """A head of YOLOv5's kind as a graph takes it, with decoding only."""

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head, self.test_cfg, self.num_classes = head, head.test_cfg, head.num_classes
        self.limits_per_class = getattr(head, 'limits_per_class', False)

    def dense_predictions(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """As the head's."""
        return self.head.dense_predictions(feats)


def strip(group: Group) -> Group:
    """Without features: boxes of all levels together."""
    return group._replace(features=group.features[:, :0], rows=torch.zeros_like(group.rows))


def uses_features(scorer: dict) -> bool:
    """Whether a scorer looks at more than the logits.

    Raises:
        UserError: there is none of this name.
    """
    kind = SCORERS.get(scorer['type'])
    if kind is None:
        raise UserError(
            f'scorer {scorer["type"]!r}: none of this name; there are {", ".join(sorted(SCORERS.module_dict))}'
        )
    return kind.uses_features
