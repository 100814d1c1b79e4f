"""Relation detectors in `boxes` mode: their predictions with the kind of each pair, and what their sampler draws."""

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from finetuning import ROOT
from mmengine.dataset import pseudo_collate

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from mmdet.registry import DATASETS, MODELS

    import detplug.register  # noqa: F401
    from detplug.cli.config import load_config
    from detplug.cli.detector import build_detector
    from detplug.engine.runner import DetplugRunner
    from plugins.sabra.image_boxes import pad_boxes
    from plugins.sabra.proposals import INVALID, label_proposals
    from plugins.sabra.relations import NO_OBJECT
    from plugins.sabra.sampling.measures import ScoredPairs
    from plugins.sabra.training_truth import image_sizes, truth_of

BATCH = 25


def predict(config: str, checkpoint: Path, options: list[str], split: str) -> tuple[list, list, list[np.ndarray]]:
    """Truth, predictions and the kind of the pair of each predicted relation, of every image of the split.

    Args:
        checkpoint: below the root of the repository.
        options: --cfg-options.
    """
    config = load_config(config, options)
    model = build_detector(config, ROOT / checkpoint)
    dataset = DATASETS.build(config[f'{split}_dataloader'].dataset)
    truths, results, kinds = [], [], []
    for start in range(0, len(dataset), BATCH):
        batch = pseudo_collate([dataset[i] for i in range(start, min(start + BATCH, len(dataset)))])
        with torch.no_grad():
            samples = model.test_step(batch)
        detections = [x.pred_instances for x in samples]
        boxes = pad_boxes(detections, image_sizes(samples, detections[0].bboxes))
        labels = label_proposals(boxes, truth_of(samples)).kinds.numpy()
        for kinds_of_image, sample in zip(labels, samples, strict=True):
            subject, object_, _ = sample.pred_relations.triplets.T
            truths.append(sample.relation_truth)
            results.append(sample.pred_relations)
            kinds.append(np.where(object_ == NO_OBJECT, INVALID, kinds_of_image[subject, object_]))
    return truths, results, kinds


def drawn_counts(config: str, options: list[str], batches: int) -> dict[str, float]:
    """What the head's sampler draws of the first batches of the training, see PairCounts.take; nothing is learned.

    Args:
        options: --cfg-options.
    """
    config = load_config(config, options)
    model = MODELS.build(config.model)
    head = model.relation_head
    for batch in islice(DetplugRunner.build_dataloader(config.train_dataloader, seed=0), batches):
        samples = batch['data_samples']
        _, detections = model.find(batch['inputs'], samples)
        boxes = model.padded([x.chosen for x in model.select(detections)], samples)
        labels = label_proposals(boxes, truth_of(samples), head.iou_thr, head.same_class, head.subjects(boxes))
        head.sampler(labels.kinds.flatten(1))
    return head.sampler.counts.take()


def scored_pairs(results: list, kinds: list[np.ndarray]) -> ScoredPairs:
    """Each pair once, with the score of its best predicate; pairs that nobody annotated are left out."""
    columns = []
    for number, (result, kind) in enumerate(zip(results, kinds, strict=True)):
        order = np.flatnonzero(kind != INVALID)  # best first
        pair = result.triplets[order, 0] * (len(result.boxes) + 1) + result.triplets[order, 1]
        rows = order[np.unique(pair, return_index=True)[1]]
        columns.append((np.full(len(rows), number), result.triplet_scores[rows], kind[rows]))
    return ScoredPairs(*(np.concatenate(column) for column in zip(*columns, strict=True)))
