"""The semi-supervised detector: a mean teacher whose boxes become known, unknown or ignored for the student.

Mean teacher, CCE and the extra class are the paper's (arXiv 2408.12355); what is ours is named where it is done.
K known classes; the wrapped detector has K + 1, the last is "unknown".
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from mmdet.models.detectors import SemiBaseDetector
from mmdet.models.utils import rename_loss_dict, reweight_loss_dict
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from torch import Tensor, nn

from detplug.data.letterbox import original_boxes
from detplug.errors import UserError
from detplug.export.graph import GraphDetections

from .batch_embedding import BatchEmbedding
from .cce import Crop
from .discovery import DiscoveryRate
from .fusion import Decision, FusionRule, TeacherBoxes, fates, gated
from .hidden_labels import oracle_boxes
from .imbalance import PseudoMarginal
from .ood_model import OODModel
from .pictures import EVERY, RecentPictures
from .plan import HIDDEN, MODES, PLANS, SCORES
from .probes import make_probe, predict_boxes
from .pseudo_labels import set_targets
from .step_log import StepLog
from .thresholds import ClassThresholds


@MODELS.register_module()
class OpenSetDetector(SemiBaseDetector):
    """Any mmdet detector as student and teacher; ``mode`` is the one line in which an ablation differs.

    Modes (plan.py): ``supervised`` (labelled images only), ``closed`` (closed-world SSOD), ``filter`` (out-of-
    distribution boxes are dropped), ``oodfc`` (they become "unknown" or are ignored), ``cce`` (closed with CCE),
    ``oodfc_cce``. For analysis alone, as they read the hidden labels of unlabelled images: ``oracle`` (closed without
    the boxes on unknown objects), ``oodfc_oracle`` and ``oodfc_cce_oracle`` ("unknown" pseudo-labels are the hidden
    unknown objects).

    :class:`OpenSetHook` moves the teacher, fits the OOD model and feeds the thresholds.

    Args:
        detector: config with K + 1 classes.
        classes: K.
        mode: see above.
        burn_in: steps on labelled images alone, after which the teacher is asked.
        unsup_weight: lambda_u.
        teacher_cfg: test_cfg for pseudo-labels, over the detector's own.
        thresholds, fusion, cce, scorer: arguments of ClassThresholds, FusionRule, BatchEmbedding; config of a scorer.
        imbalance: m of PseudoMarginal; 0 is without.
        ood_by_class: OOD scores compare with labelled boxes of the same predicted class; otherwise with all.
        predict_on: 'teacher' or 'student'.
    """

    def __init__(
        self,
        detector: dict,
        classes: int,
        mode: str = 'oodfc_cce',
        burn_in: int = 100,
        unsup_weight: float = 1.0,
        teacher_cfg: dict | None = None,
        thresholds: dict | None = None,
        fusion: dict | None = None,
        cce: dict | None = None,
        scorer: dict | None = None,
        imbalance: float = 0.0,
        ood_by_class: bool = True,
        predict_on: str = 'teacher',
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ):
        if mode not in PLANS:
            raise UserError(f'config: model.mode: {mode!r} is none of {", ".join(MODES)}')
        plan = PLANS[mode]
        if plan.ood_source == SCORES and predict_on != 'teacher':
            raise UserError(
                f"config: model.predict_on: {predict_on!r}: the OOD scores of mode {mode} are the teacher's; "
                "give 'teacher', or a mode without them"
            )
        super().__init__(detector, dict(freeze_teacher=True), dict(predict_on=predict_on), data_preprocessor, init_cfg)
        self.classes, self.mode, self.plan = classes, mode, plan
        self.burn_in, self.unsup_weight = burn_in, unsup_weight
        self.teacher_cfg = teacher_cfg
        self.thresholds = ClassThresholds(classes, **(thresholds or {}))
        self.fusion = FusionRule(**(fusion or {}))
        fdr = plan.unknown and plan.ood_source == SCORES
        if self.fusion.asks_discovery and not fdr:
            raise UserError(
                f'config: model.fusion: weigh_unknown, max_false_discovery: mode {mode} has no "unknown" pseudo-labels '
                'by OOD score; take oodfc or oodfc_cce, or leave both out'
            )
        self.discovery = DiscoveryRate(self.fusion.tau_high) if fdr else None
        if self.thresholds.planted and not (fdr and plan.embeds):
            raise UserError(
                f'config: model.thresholds.planted: mode {mode} has no OOD scores of chimeras; take oodfc_cce, or 0'
            )
        self.embedding = BatchEmbedding(classes, **(cce or {})) if plan.embeds else None
        self.log, self.pictures = StepLog(classes), RecentPictures()
        self.marginal = PseudoMarginal(classes, imbalance) if imbalance else None
        if self.embedding is not None and self.embedding.unknown and not plan.unknown:
            raise UserError(
                f'config: model.cce.unknown: mode {mode} has no pseudo-label "unknown" to embed; '
                'take oodfc_cce or oodfc_cce_oracle'
            )
        self.step = self.last_pseudo = 0
        self.mean_objects = 0.0  # of a labelled image; OpenSetHook counts them
        self.last_answers: list[TeacherBoxes] = []
        self.probe = make_probe(self.teacher, classes) if plan.ood_source or imbalance else None
        self.ood = None
        if plan.ood_source == SCORES:
            layers = self.probe.layers
            widths, rows = [x.weight.shape[2] for x in layers], [x.weight.shape[0] for x in layers]
            self.ood = OODModel(widths, rows, classes, scorer, self.probe.sigmoid, ood_by_class)

    def set_unknown_threshold(self, tau: float) -> None:
        """OOD score from which on a teacher box may be "unknown"."""
        self.fusion = replace(self.fusion, tau_high=tau)
        self.discovery.tau = tau

    @staticmethod
    def class_names(names: Sequence[str]) -> tuple[str, ...]:
        """Names by label: the known classes of the data and, last, "unknown"."""
        return (*names, 'unknown')

    @property
    def names_unknown(self) -> bool:
        """Whether the class "unknown" is trained, so that a box of label K means something."""
        return self.plan.unknown or (self.embedding is not None and self.embedding.library.chimeras > 0)

    # -- training ------------------------------------------------------------------------------------------------------

    def loss(self, inputs: dict[str, Tensor], samples: dict[str, list[DetDataSample]]) -> dict:
        """Losses ``sup_*`` and, after the burn-in, ``unsup_*``; finite without any pseudo-label."""
        self.log.labelled(samples['sup'])
        self._embed(inputs['sup'], samples['sup'], 0)
        if self.embedding is not None and self.step % EVERY == 0:
            self.pictures.keep_embedded(inputs['sup'][0], samples['sup'][0], self.data_preprocessor)
        losses = rename_loss_dict('sup_', self.student.loss(inputs['sup'], samples['sup']))
        if not self.plan.unlabelled or self.step < self.burn_in or 'unsup_teacher' not in inputs:
            return losses
        self.pseudo_label(inputs['unsup_teacher'], samples['unsup_teacher'], samples['unsup_student'])
        self._embed(inputs['unsup_student'], samples['unsup_student'], 1)
        unsup = self.student.loss(inputs['unsup_student'], samples['unsup_student'])
        return losses | rename_loss_dict('unsup_', reweight_loss_dict(unsup, self.unsup_weight))

    def _embed(self, inputs: Tensor, samples: list[DetDataSample], branch: int) -> None:
        if self.embedding is not None:
            self.embedding.apply(inputs, samples, self.data_preprocessor, self.step, branch)

    @torch.no_grad()
    def pseudo_label(self, inputs: Tensor, weak: list[DetDataSample], strong: list[DetDataSample]) -> None:
        """Give each strong view the teacher's boxes of the weak view, as targets and ignored regions, in place."""
        self.teacher.eval()
        feats = [x.float() for x in self.teacher.extract_feat(inputs)]
        with torch.autocast(inputs.device.type, enabled=False):  # boxes, and OOD scores that float32 calibrated
            self._pseudo_label(feats, inputs, weak, strong)

    def _pseudo_label(
        self, feats: list[Tensor], inputs: Tensor, weak: list[DetDataSample], strong: list[DetDataSample]
    ) -> None:
        self.last_answers = self.ask_teacher(feats, weak)
        decisions, crops = [], []
        for number, (detections, source, target) in enumerate(zip(self.last_answers, weak, strong, strict=True)):
            if self.plan.ood_source == HIDDEN:
                detections = oracle_boxes(detections, source, self.plan, self.classes)
            decision = fates(detections, self.thresholds.values, self.plan, self.fusion, self.mean_objects)
            if self.discovery is not None:
                decision = gated(decision, self.discovery.rate, self.fusion)
            decisions.append(decision)
            set_targets(detections, decision, source, target, self.classes, self.fusion.weigh_unknown)
            self.log.pseudo(detections, decision.fate, source)
            if self.step % EVERY == 0 and not number:
                self.pictures.keep_fates(inputs[0], detections, decision.fate, self.classes, self.data_preprocessor)
            if self.embedding is not None and self.plan.ood_source is not None:  # else nothing vouches for a known name
                crops += self.embedding.teacher_crops(
                    inputs[number], detections, decision.fate, source, self.data_preprocessor
                )
        self._learn(decisions, crops, torch.cat([x.gt_instances.labels for x in strong]))

    def _learn(self, decisions: list[Decision], crops: list[Crop], labels: Tensor) -> None:
        """What the pseudo-labels of one step tell of those to come; ``labels`` (N,) 0..K are all of them."""
        self.last_pseudo = len(labels)
        counts = torch.zeros(self.classes + 1, device=labels.device)
        counts.index_add_(0, labels, torch.ones_like(labels, dtype=counts.dtype))
        if self.embedding is not None:
            self.embedding.learn(crops, counts, len(decisions))
        if self.marginal is not None:
            self.marginal.update(counts[:-1])
        if self.discovery is not None:
            self.discovery.update(*(sum(getattr(x, name) for x in decisions) for name in ('objects', 'passed')))

    @torch.no_grad()
    def ask_teacher(self, feats: Sequence[Tensor], samples: list[DetDataSample]) -> list[TeacherBoxes]:
        """The teacher's boxes of a batch with their OOD scores; 0 where the mode has no use for them."""
        results = predict_boxes(self.teacher, feats, samples, self.teacher_cfg)
        counts = [len(x) for x in results]
        scores = torch.cat([x.scores for x in results])
        ood, objectness = torch.zeros_like(scores), scores
        groups = self.probe.groups(feats, results) if self.probe is not None else []
        if self.ood is not None:
            ood, objectness = self.ood(groups, len(scores))
        elif groups:
            index, values = (torch.cat([getattr(x, name) for x in groups]) for name in ('index', 'objectness'))
            objectness = torch.zeros_like(scores).index_copy(0, index, values)
        if self.marginal is not None:
            chances = torch.zeros(len(scores), self.classes).to(scores)
            for group in groups:
                chances[group.index] = group.logits.sigmoid() if self.probe.sigmoid else group.logits.softmax(1)
            scores = self.marginal.rescored(scores, torch.cat([x.labels for x in results]), chances)
        return [
            TeacherBoxes(x.bboxes, score, x.labels, strange, sure)
            for x, score, strange, sure in zip(
                results, scores.split(counts), ood.split(counts), objectness.split(counts), strict=True
            )
        ]

    # -- prediction ----------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def predict(self, inputs: Tensor, samples: list[DetDataSample], rescale: bool = True) -> list[DetDataSample]:
        """Boxes of teacher or student; label K is "unknown". Modes with an OOD model add ``ood_scores`` (D,), 0..1.

        The samples get the meta key ``names_unknown``, for the metric.
        """
        for sample in samples:
            sample.set_metainfo(dict(names_unknown=self.names_unknown))
        detector = getattr(self, self.semi_test_cfg['predict_on'])
        if self.ood is None or not self.ood.fitted.any():
            return detector.predict(inputs, samples, rescale=rescale)
        feats = detector.extract_feat(inputs)
        results = predict_boxes(detector, feats, samples)
        groups = make_probe(detector, self.classes).groups(feats, results)
        ood, _ = self.ood(groups, sum(map(len, results)))
        for result, sample, scores in zip(results, samples, ood.split([len(x) for x in results]), strict=True):
            result.ood_scores = scores
            if rescale:
                result.bboxes = original_boxes(result.bboxes, sample.metainfo)
        return self.add_pred_to_datasample(samples, results)

    # -- export, as detplug.export asks --------------------------------------------------------------------------------

    @property
    def bbox_head(self) -> nn.Module:
        """Of the detector that predicts."""
        return getattr(self, self.semi_test_cfg['predict_on']).bbox_head

    @property
    def extra_outputs(self) -> tuple[str, ...]:
        """Names of :meth:`describe_detections`'s results."""
        return () if self.ood is None or not self.ood.fitted.any() else ('ood_scores',)

    def prepare_export(self) -> None:
        """Called before a graph is traced."""
        if self.ood is not None:
            self.ood.prepare_export()

    def describe_detections(
        self, images: Tensor, feats: Sequence[Tensor], detections: GraphDetections, sizes: None
    ) -> tuple[Tensor]:
        """(N, D) OOD scores of the detections of a one-stage head; traced into the exported graph."""
        return (self.ood.of_detections(self.bbox_head.describe_all(feats, detections.prior_index), self.classes),)

    def manifest_entries(self) -> dict:
        """Which label is "unknown", the class thresholds T_c, and how OOD scores are read."""
        entry = dict(unknown_class=self.classes, thresholds=self.thresholds.values.tolist())
        if self.extra_outputs:
            entry['ood'] = dict(
                scorer=type(self.ood.scorers[0]).__name__,
                meaning='share of labelled boxes of the same level and predicted class that score lower',
                tau_low=self.fusion.tau_low,
                tau_high=self.fusion.tau_high,
                fitted=self.ood.fitted.tolist(),
                calibration=[x.tables.tolist() for x in self.ood.calibrations],
            )
        return dict(openset=entry)

    def report_pictures(self, names: Sequence[str]) -> dict[str, tuple[str, np.ndarray]]:
        """Heading -> (explanation, picture), for the report of a training."""
        return self.pictures.sections(self.class_names(names))
