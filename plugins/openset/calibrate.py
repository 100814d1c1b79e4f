"""Fit the OOD model on the boxes of labelled images, as the teacher sees them now."""

from collections.abc import Iterable

import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from .probes import Group, predict_boxes

IOU = 0.5


@torch.no_grad()
def fit_ood_model(detector, batches: Iterable[dict]) -> int:
    """Fit ``detector.ood``; returns the number of labelled boxes that the teacher found.

    A labelled box stands for itself by the prediction that overlaps it most; its label is the annotation's. A box that
    the teacher does not find has no features of its own and is left out.

    Args:
        detector: an :class:`OpenSetDetector` with an OOD model.
        batches: of the labelled images, without mosaic or colour changes; as the data preprocessor takes them.
    """
    teacher, probe = detector.teacher.eval(), detector.probe
    parts, labels, halves, start, image_number = [], [], [], 0, 0
    for batch in batches:
        batch = detector.data_preprocessor.data_preprocessor(batch, False)
        feats = teacher.extract_feat(batch['inputs'])
        found = []
        samples = batch['data_samples']
        results = predict_boxes(teacher, feats, samples, detector.teacher_cfg)
        for result, sample in zip(results, samples, strict=True):
            kept, names = matched(result, sample)
            found.append(result[kept])
            labels.append(names)
            halves.append(torch.full((len(kept),), image_number % 2 == 0))
            image_number += 1
        count = sum(len(x) for x in found)
        if count:
            groups = probe.groups(feats, found)
            parts.append([group._replace(index=group.index + start) for group in groups])
            start += count
    if start:
        merged = [Group(*map(torch.cat, zip(*groups, strict=True))) for groups in zip(*parts, strict=True)]
        detector.ood.fit(merged, torch.cat(labels), torch.cat(halves), probe.layers)
    return start


def matched(result: InstanceData, sample: DetDataSample) -> tuple[Tensor, Tensor]:
    """Index of the prediction for each labelled box that has one above ``IOU``, each once, and the box's label."""
    truth = sample.gt_instances
    boxes = get_box_tensor(truth.bboxes)
    if not len(boxes) or not len(result):
        empty = torch.zeros(0, dtype=torch.long)
        return empty, empty
    overlap, best = bbox_overlaps(boxes, result.bboxes).max(1)
    kept = overlap > IOU
    index, labels = best[kept], truth.labels[kept]
    first = torch.ones_like(index, dtype=torch.bool)
    order = index.argsort(stable=True)
    first[order[1:]] = index[order][1:] != index[order][:-1]
    return index[first], labels[first]
