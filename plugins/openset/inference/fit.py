"""Fit :class:`WithUnknown` on labelled images, as its detector sees them through the test pipeline."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmdet.registry import DATASETS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData
from torch import Tensor

from detplug.data.dataset_config import innermost_datasets
from detplug.errors import UserError

from ..calibrate import merged
from .budget import IOU, KnownObjects
from .with_unknown import OUTPUTS, WithUnknown


def labelled_dataset(config: Config, split: str) -> list[Any]:
    """The labelled images of ``split`` (train, val) with the test pipeline, one data set a leaf of the config.

    Raises:
        UserError: the config has no such images, or its test pipeline reads no labels.
    """
    val = next(innermost_datasets((config.get('val_dataloader') or {}).get('dataset') or {}), {})
    pipeline = val.get('pipeline')
    node = (config.get(f'{split}_dataloader') or {}).get('dataset')
    if not pipeline or not node:
        missing = 'val_dataloader' if not pipeline else f'{split}_dataloader'
        raise UserError(
            f'{config.filename}: {missing}: missing; "unknown" is fitted on labelled images of train and val'
        )
    if not any(str(step['type']).endswith('LoadAnnotations') for step in pipeline):
        raise UserError(f'{config.filename}: val_dataloader: its pipeline has no LoadAnnotations; add it')
    return [DATASETS.build(dict(leaf, pipeline=pipeline)) for leaf in innermost_datasets(labelled_part(node))]


def labelled_part(node: dict) -> dict:
    """The part of an open-set training that is labelled; ``node`` itself elsewhere."""
    inside = node
    while isinstance(inside, dict) and 'labelled' not in inside and isinstance(inside.get('dataset'), dict):
        inside = inside['dataset']
    return inside['labelled'] if isinstance(inside, dict) and 'labelled' in inside else node


def samples_of(datasets: list[Any], most: int | None = None, seed: int = 0) -> Iterator[dict]:
    """Packed images one by one, at most ``most`` of all, drawn by ``seed``, in their order."""
    items = [(dataset, i) for dataset in datasets for i in range(len(dataset))]
    if most is not None and len(items) > most:
        items = [items[i] for i in sorted(np.random.default_rng(seed).permutation(len(items))[:most])]
    for dataset, i in items:
        yield dataset[i]


@torch.no_grad()
def detected(model: WithUnknown, items: Iterator[dict]) -> Iterator[tuple[tuple[Tensor, ...], list, DetDataSample]]:
    """Of each image the feature maps, the batch's data samples, and the sample with its labels."""
    for item in items:
        batch = model.data_preprocessor(pseudo_collate([item]), False)
        yield model.extract_feat(batch['inputs']), batch['data_samples'], batch['data_samples'][0]


@torch.no_grad()
def fit_strangeness(model: WithUnknown, items: Iterator[dict]) -> tuple[int, int]:
    """Fit the OOD model on the best detection of each labelled object; (objects with one, objects).

    The calibration is crossed: each half of the images is scored by what was fitted on the other half.
    """
    from detplug.data.letterbox import original_boxes

    parts, labels, halves, start, objects = [], [], [], 0, 0
    for number, (feats, samples, sample) in enumerate(detected(model, items)):
        result = model.adapter.predict(feats, samples)[0]
        objects += len(sample.gt_instances)
        kept, names = best_on(original_boxes(result.bboxes, sample.metainfo), result.scores, sample.gt_instances)
        if len(kept):
            groups = model.grouped(model.adapter.groups(feats, [result[kept]]))
            parts.append([x._replace(index=x.index + start) for x in groups])
            labels.append(names)
            halves.append(torch.full_like(kept, number % 2 == 0, dtype=torch.bool))
            start += len(kept)
    if parts:
        layers = model.adapter.layers if model.with_features else None
        layers = layers or [None] * len(model.ood.scorers)
        model.ood.fit(merged(parts), torch.cat(labels), torch.cat(halves), layers)
    return start, objects


def best_on(boxes: Tensor, scores: Tensor, truth: InstanceData) -> tuple[Tensor, Tensor]:
    """Index of the detection that scores most on each labelled object, each once, and the object's label."""
    labels, targets = truth.labels, get_box_tensor(truth.bboxes)
    if not len(labels) or not len(scores):
        return labels[:0], labels[:0]
    on = bbox_overlaps(targets, boxes) > IOU
    index = torch.where(on, scores, -1.0).argmax(1)
    matched = on.any(1)
    index, labels = index[matched], labels[matched]
    first = torch.ones_like(index, dtype=torch.bool)
    order = index.argsort(stable=True)
    first[order[1:]] = index[order][1:] != index[order][:-1]
    return index[first], labels[first]


@torch.no_grad()
def known_objects(model: WithUnknown, items: Iterator[dict]) -> list[KnownObjects]:
    """What the fitted model says of images, with their known objects alone."""
    images = []
    for feats, samples, sample in detected(model, items):
        result = model.described(feats, samples)[0]
        arrays = [result[name].cpu().numpy() for name in ('bboxes', 'scores', 'labels', *OUTPUTS)]
        truth = get_box_tensor(sample.gt_instances.bboxes).cpu().numpy()
        images.append(KnownObjects.of(truth.reshape(-1, 4), sample.gt_instances.labels.cpu().numpy(), *arrays))
    return images
