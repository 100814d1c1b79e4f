"""What is behind each detection of a detector, in torch and in a traced graph: logits, objectness, features.

N images, D detections, K' classes of the head (K known, and "unknown" where the detector has a column for it). Each
class here has the same parts:

    layers                last layer of each group of features, or None where logits are no linear map of one cell
    predict(...)          detections of each image in pixels of the input, with the ``prior_index`` of dense heads
    groups(...)           :class:`plugins.openset.probes.Group` of a batch's detections, logits of all K' classes
    columns               K'
    p_unknown(logits)     p("unknown" | object) of (n, K') logits; 0 where the head has no column for it
    traced(...)           :class:`Traced` of (N, D) detections, in fixed shapes
"""

from collections.abc import Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor, nn

from detplug.errors import UserError
from detplug.export.dense_heads import class_scores, priors, rows, select_by_level
from detplug.export.graph import GraphDetections
from detplug.export.two_stage import pooled

from ..probes import Group, OneStageProbe, TwoStageProbe, predict_boxes
from ..scores import Head

SHARED = ('RetinaHead', 'RTMDetHead')  # one classification layer for all levels
DENSE = (*SHARED, 'RTMDetSepBNHead')
CURE = 'add_unknown takes YOLOv5, RTMDet, RetinaNet, Faster R-CNN, and the teacher of an OpenSetDetector'


class Traced(NamedTuple):
    """``logits`` (N, D, K'), ``objectness`` (N, D), ``groups``: of each group whether a detection is in it (N, D),
    features (N, D, width), rows (N, D) and logits (N, D, K') as if all were."""

    logits: Tensor
    objectness: Tensor
    groups: list[tuple[Tensor, ...]]


class YOLOv5Adapter:
    """A head with ``describe``: features at the predicted cell, one group a level; sigmoid classes, an objectness."""

    sigmoid = True

    def __init__(self, detector: nn.Module, classes: int):
        self.detector, self.head, self.classes = detector, detector.bbox_head, classes
        self.columns = self.head.num_classes
        self.probe = OneStageProbe(self.head, self.head.num_classes)

    @property
    def layers(self) -> list[Head]:
        return OneStageProbe(self.head, self.classes).layers

    def predict(self, feats: Sequence[Tensor], samples: list[DetDataSample]) -> list[InstanceData]:
        return predict_boxes(self.detector, feats, samples)

    def groups(self, feats: Sequence[Tensor], detections: Sequence[InstanceData]) -> list[Group]:
        return self.probe.groups(feats, detections)

    def p_unknown(self, logits: Tensor) -> Tensor:
        return unknown_column(logits.sigmoid(), self.classes)

    def traced(
        self, feats: Sequence[Tensor], detections: GraphDetections, sizes: Tensor | None, features: bool
    ) -> Traced:
        anchors = len(self.head.anchors[0])
        maps = [x.unflatten(1, (anchors, -1))[:, :, 4:] for x in self.head.raw_predictions(feats)]
        outputs = torch.cat([x.permute(0, 1, 3, 4, 2).flatten(1, 3) for x in maps], 1)  # (N, anchors, 1 + K')
        outputs = at(outputs, detections.prior_index)
        groups = self.head.describe_all(feats, detections.prior_index) if features else []
        return Traced(outputs[..., 1:], outputs[..., 0].sigmoid(), groups)


class DenseAdapter:
    """RetinaNet (arXiv 1708.02002) and RTMDet (2212.07784) of mmdet: sigmoid classes, no objectness.

    Features are the input of the last classification convolution at the cell. Objectness is 1 - prod (1 - p), the
    probability that any class is there (ours): what looks like no class is no detection of these heads.
    Selection is that of exported graphs, which takes at most 3840 candidates a level; mmdet's RTMDet takes 30,000.
    """

    sigmoid = True

    def __init__(self, detector: nn.Module, classes: int):
        self.detector, self.head, self.classes = detector, detector.bbox_head, classes
        self.columns = self.head.num_classes
        last = self.head.retina_cls if hasattr(self.head, 'retina_cls') else self.head.rtm_cls
        self.lasts = list(last) if isinstance(last, nn.ModuleList) else [last]

    @property
    def layers(self) -> list[Head] | None:
        if any(x.kernel_size != (1, 1) for x in self.lasts):
            return None
        weights = [(x.weight.view(-1, self.columns, x.in_channels), x.bias.view(-1, self.columns)) for x in self.lasts]
        return [Head(weight[:, : self.classes], bias[:, : self.classes]) for weight, bias in weights]

    @property
    def widths(self) -> list[tuple[int, int]]:
        """Width of the features and rows of each group."""
        return [(x.in_channels, x.out_channels // self.columns) for x in self.lasts]

    def predict(self, feats: Sequence[Tensor], samples: list[DetDataSample]) -> list[InstanceData]:
        from mmcv.ops import batched_nms

        maps, values = self.head(feats)
        sizes = feats[0].new_tensor([x.img_shape[1::-1] for x in samples])
        index, labels, scores, boxes = self._candidates(maps, values, sizes)
        cfg, results = self.head.test_cfg, []
        for of_image in zip(index, labels, scores, boxes, strict=True):
            prior, label, score, box = (x[of_image[2] > 0] for x in of_image)
            if not len(score):
                results.append(InstanceData(bboxes=box, scores=score, labels=label, prior_index=prior))
                continue
            dets, kept = batched_nms(box, score, label, cfg.nms)
            kept, dets = kept[: cfg.max_per_img], dets[: cfg.max_per_img]
            results.append(
                InstanceData(bboxes=box[kept], scores=dets[:, -1], labels=label[kept], prior_index=prior[kept])
            )
        return results

    def groups(self, feats: Sequence[Tensor], detections: Sequence[InstanceData]) -> list[Group]:
        counts = [len(x) for x in detections]
        images = torch.repeat_interleave(torch.tensor(counts, device=feats[0].device), output_size=sum(counts))
        prior_index = torch.cat([x.prior_index for x in detections])
        with self._inputs() as inputs:
            maps, _ = self.head(feats)
        logits = torch.cat(rows(maps, self.columns), 1)[images, prior_index]
        objectness, groups = self._objectness(logits), []
        for inside, cell, level, row in self._cells(maps, inputs, prior_index):
            index = inside.nonzero()[:, 0]
            z = level[images[index], cell[index]]
            groups.append(Group(index, z, row[index], logits[index], objectness[index]))
        return groups

    def p_unknown(self, logits: Tensor) -> Tensor:
        return unknown_column(logits.sigmoid(), self.classes) / self._objectness(logits).clamp(min=1e-12)

    def traced(
        self, feats: Sequence[Tensor], detections: GraphDetections, sizes: Tensor | None, features: bool
    ) -> Traced:
        with self._inputs() as inputs:
            maps, values = self.head(feats)
        index, *_ = self._candidates(maps, values, sizes)
        prior_index = index.gather(1, detections.prior_index)
        logits = at(torch.cat(rows(maps, self.columns), 1), prior_index)
        groups = []
        if features:
            for inside, cell, level, row in self._cells(maps, inputs, prior_index):
                groups.append((inside, at(level, cell), row, logits))
        return Traced(logits, self._objectness(logits), groups)

    def _candidates(self, maps, values, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        head = self.head
        return select_by_level(head, class_scores(head, maps), rows(values, 4), priors(head, maps), sizes)

    def _objectness(self, logits: Tensor) -> Tensor:
        return 1 - torch.nn.functional.softplus(logits).sum(-1).neg().exp()

    def _cells(self, maps: Sequence[Tensor], inputs: Sequence[Tensor], prior_index: Tensor):
        """Of each group: whether a prior is in it, its cell, the (N, cells, width) features, its row of the layer."""
        repeats = [x.shape[1] // self.columns for x in maps]
        flat = [x.flatten(2).transpose(1, 2) for x in inputs]
        if len(self.lasts) == 1:
            cell = prior_index // repeats[0]
            yield torch.ones_like(prior_index, dtype=torch.bool), cell, torch.cat(flat, 1), prior_index % repeats[0]
            return
        start = 0
        for level, repeat in zip(flat, repeats, strict=True):
            count = level.shape[1] * repeat
            in_level = prior_index - start
            inside = (in_level >= 0) & (in_level < count)
            in_level = in_level.clamp(0, count - 1)
            yield inside, in_level // repeat, level, in_level % repeat
            start = start + count

    @contextmanager
    def _inputs(self):
        """The inputs of the last classification layers, level by level, of the forward within."""
        caught: list[Tensor] = []
        hooks = [x.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0])) for x in self.lasts]
        try:
            yield caught
        finally:
            for hook in hooks:
                hook.remove()


class TwoStageAdapter:
    """Faster R-CNN (arXiv 1506.01497) with one head: features pooled again at the predicted box; softmax classes."""

    sigmoid = False

    def __init__(self, detector: nn.Module, classes: int):
        self.detector, self.classes = detector, classes
        self.columns = detector.roi_head.bbox_head.num_classes
        self.probe = TwoStageProbe(detector.roi_head, detector.roi_head.bbox_head.num_classes)

    @property
    def layers(self) -> list[Head]:
        return TwoStageProbe(self.detector.roi_head, self.classes).layers

    def predict(self, feats: Sequence[Tensor], samples: list[DetDataSample]) -> list[InstanceData]:
        return predict_boxes(self.detector, feats, samples)

    def groups(self, feats: Sequence[Tensor], detections: Sequence[InstanceData]) -> list[Group]:
        return self.probe.groups(feats, detections)

    def p_unknown(self, logits: Tensor) -> Tensor:
        """softmax without background is the probability given an object."""
        return unknown_column(logits.softmax(-1), self.classes)

    def traced(
        self, feats: Sequence[Tensor], detections: GraphDetections, sizes: Tensor | None, features: bool
    ) -> Traced:
        roi = self.detector.roi_head
        extractor = roi.bbox_roi_extractor
        z = self.probe._shared(pooled(extractor, feats[: extractor.num_inputs], detections.boxes))
        logits = roi.bbox_head.fc_cls(z).unflatten(0, detections.scores.shape)
        z = z.unflatten(0, detections.scores.shape)
        objectness = 1 - logits.softmax(-1)[..., -1]
        inside, row = torch.ones_like(detections.labels, dtype=torch.bool), torch.zeros_like(detections.labels)
        return Traced(logits[..., :-1], objectness, [(inside, z, row, logits[..., :-1])] if features else [])


def unknown_column(probabilities: Tensor, classes: int) -> Tensor:
    """The column behind the known classes of (..., K'); 0 where there is none. (A sum over none has no ONNX form.)"""
    if probabilities.shape[-1] > classes:
        return probabilities[..., classes]
    return torch.zeros_like(probabilities[..., 0])


def at(values: Tensor, index: Tensor) -> Tensor:
    """Rows (N, A, C) at (N, D) -> (N, D, C)."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[2]))


def adapter_of(detector: nn.Module, classes: int) -> YOLOv5Adapter | DenseAdapter | TwoStageAdapter:
    """What is behind the detections of a detector.

    Raises:
        UserError: a detector that this has no form for, by name.
    """
    head, roi = getattr(detector, 'bbox_head', None), getattr(detector, 'roi_head', None)
    if head is None and is_plain_two_stage(roi):
        return TwoStageAdapter(detector, classes)
    if all(hasattr(head, name) for name in ('describe', 'describe_all', 'last_layers', 'raw_predictions')):
        return YOLOv5Adapter(detector, classes)
    part = head if head is not None else roi
    if type(part).__name__ in DENSE and type(part).__module__.startswith('mmdet.') and part.use_sigmoid_cls:
        return DenseAdapter(detector, classes)
    name = type(detector).__name__ + (f' with {type(part).__name__}' if part is not None else '')
    raise UserError(f'config: model: {name}: its detections cannot be named unknown; {CURE}')


def is_plain_two_stage(roi: nn.Module | None) -> bool:
    """One box head that ends in a softmax over ``fc_cls``, no masks."""
    box = getattr(roi, 'bbox_head', None)
    return (
        type(roi).__name__ in ('StandardRoIHead', 'WeightedRoIHead')
        and not roi.with_mask
        and isinstance(getattr(box, 'fc_cls', None), nn.Linear)
        and not getattr(box, 'custom_activation', False)
    )
