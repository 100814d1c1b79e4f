"""Fit the OOD model on the boxes of labelled images, as the teacher sees them now."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from mmdet.registry import TRANSFORMS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData
from torch import Tensor, nn

from detplug.data import SourceCache

from .probes import Group, OneStageProbe, TwoStageProbe, predict_boxes

IOU = 0.5
META_KEYS = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')


class LabelledBoxes(NamedTuple):
    """``groups`` of D boxes, their ``labels`` (D,) 0..K-1, and in which half of the images each is, ``halves`` (D,)."""

    groups: list[Group]
    labels: Tensor
    halves: Tensor


def fit_ood_model(detector, batches: Iterable[dict]) -> int:
    """Fit ``detector.ood``; returns the number of labelled boxes that the teacher found.

    Args:
        detector: an :class:`OpenSetDetector` with an OOD model.
        batches: as of :func:`labelled_boxes`.
    """
    preprocessor = detector.data_preprocessor.data_preprocessor
    labelled = labelled_boxes(detector.teacher, detector.probe, batches, preprocessor, detector.teacher_cfg)
    if labelled is None:
        return 0
    detector.ood.fit(*labelled, detector.probe.layers)
    return len(labelled.labels)


@torch.no_grad()
def labelled_boxes(
    teacher: nn.Module,
    probe: OneStageProbe | TwoStageProbe,
    batches: Iterable[dict],
    preprocessor: nn.Module,
    cfg: dict | None,
) -> LabelledBoxes | None:
    """Each labelled box as the prediction that overlaps it most; its label is the annotation's. None if there is none.

    A box that the teacher does not find has no features of its own and is left out.

    Args:
        batches: of the labelled images, without mosaic or colour changes; as ``preprocessor`` takes them.
        cfg: test_cfg of the predictions.
    """
    teacher.eval()
    parts, labels, halves, start, image_number = [], [], [], 0, 0
    for batch in batches:
        batch = preprocessor(batch, False)
        feats = teacher.extract_feat(batch['inputs'])
        detections = []
        samples = batch['data_samples']
        for result, sample in zip(predict_boxes(teacher, feats, samples, cfg), samples, strict=True):
            kept, names = matched(result, sample)
            detections.append(result[kept])
            labels.append(names)
            halves.append(torch.full_like(kept, image_number % 2 == 0, dtype=torch.bool))
            image_number += 1
        count = sum(len(x) for x in detections)
        if count:
            parts.append([group._replace(index=group.index + start) for group in probe.groups(feats, detections)])
            start += count
    if not start:
        return None
    return LabelledBoxes(merged(parts), torch.cat(labels), torch.cat(halves))


def batches_of(images: SourceCache, size: int = 8) -> Iterator[dict]:
    """Labelled images as ``preprocessor`` takes them, in order."""
    pack = TRANSFORMS.build(dict(type='PackDetInputs', meta_keys=META_KEYS))
    for start in range(0, len(images), size):
        items = [images[i] for i in range(start, min(start + size, len(images)))]
        yield pseudo_collate([pack(item | dict(img=item['img'].copy())) for item in items])


def merged(parts: list[list[Group]]) -> list[Group]:
    """The groups of several batches, whose indices already count through, as one list of groups."""
    return [Group(*map(torch.cat, zip(*groups, strict=True))) for groups in zip(*parts, strict=True)]


def matched(result: InstanceData, sample: DetDataSample) -> tuple[Tensor, Tensor]:
    """Index of the prediction for each labelled box that has one above ``IOU``, each once, and the box's label."""
    truth = sample.gt_instances
    boxes = get_box_tensor(truth.bboxes)
    if not len(boxes) or not len(result):
        empty = truth.labels[:0]
        return empty, empty
    overlap, best = bbox_overlaps(boxes, result.bboxes).max(1)
    kept = overlap > IOU
    index, labels = best[kept], truth.labels[kept]
    first = torch.ones_like(index, dtype=torch.bool)
    order = index.argsort(stable=True)
    first[order[1:]] = index[order][1:] != index[order][:-1]
    return index[first], labels[first]
