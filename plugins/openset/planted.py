"""How well "unknown" is found, without an unknown label: the AP of chimeras planted in val images (ours).

The paper lets the threshold of a category follow the category's AP (arXiv 2408.12355); "unknown" has no labelled object
to measure one with. Objects made of two classes stand in for it; real objects of the image are the distractors. What is
measured is how well chimeras are found, which says nothing of real unknown objects that look otherwise.
"""

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from torch import Tensor

from detplug.evaluation.coco_ap import box_metrics
from detplug.evaluation.image_result import ImageResult

from .cce import Crop, ForegroundLibrary, embed
from .cce.chimera import chimera
from .fusion import TeacherBoxes, by_object, leaders
from .geometry import hidden_in_view
from .pixels import in_network_order

AN_IMAGE = 3  # chimeras that are planted in one image


def planted_ap(detector, images, number: int, batch: int = 4) -> float:
    """AP50 of the planted chimeras, 0..1, by objectness times strangeness; the same chimeras at every call.

    Args:
        detector: an :class:`OpenSetDetector` with an OOD model and CCE.
        images: the val data set; the first ``number`` of its images are used.
    """
    generator = np.random.default_rng(0)
    preprocessor = detector.data_preprocessor.data_preprocessor
    results = []
    for start in range(0, min(number, len(images)), batch):
        items = [images[i] for i in range(start, min(start + batch, number, len(images)))]
        planted = [plant(item, detector.embedding, preprocessor, generator) for item in items]
        data = preprocessor(pseudo_collate(items), False)
        for boxes, detections in zip(planted, ask(detector, data['inputs'], data['data_samples']), strict=True):
            results.append(as_result(boxes, *strangest(detections, detector)))
    if not any(len(x.gt_boxes) for x in results):
        return 0.0
    return float(box_metrics(results, ['unknown'], 300)['map50'])


def plant(item: dict, embedding, preprocessor, generator: np.random.Generator) -> np.ndarray:
    """Embed chimeras into a val item's ``inputs`` (3, H, W) uint8, in place: (P, 4) boxes px of the resized image."""
    sample, rule = item['data_samples'], embedding.rule
    height, width = sample.img_shape[:2]
    left, top = (int(v) for v in sample.metainfo.get('pad_offset', (0, 0)))
    view = item['inputs'][:, top : top + height, left : left + width]
    canvas = view.permute(1, 2, 0).contiguous().numpy()
    there = real_objects(sample)
    boxes = []
    for crop in made(embedding.library, generator):
        crop = Crop(in_network_order(crop.pixels, preprocessor), crop.box, crop.label, tone=turned(crop, preprocessor))
        placed = embed(canvas, np.concatenate([there, *boxes]), crop, rule, generator)
        boxes += [] if placed is None else [placed[0][None].astype(np.float64)]
    view.copy_(torch.from_numpy(canvas).permute(2, 0, 1))
    return np.concatenate([np.zeros((0, 4)), *boxes])


def real_objects(sample: DetDataSample) -> np.ndarray:
    """(M, 4) objects of the image, known and unknown, px of the resized image."""
    items = [*sample.metainfo.get('instances', ()), *sample.metainfo.get('unknown_instances', ())]
    return hidden_in_view(items, sample, torch.zeros(1)).numpy().astype(np.float64)


def turned(crop: Crop, preprocessor) -> np.ndarray | None:
    """The crop's tone with its channels in the order of a file."""
    swapped = getattr(preprocessor, '_channel_conversion', False)
    return crop.tone[:, ::-1].copy() if crop.tone is not None and swapped else crop.tone


def made(library: ForegroundLibrary, generator: np.random.Generator) -> list[Crop]:
    """``AN_IMAGE`` chimeras of labelled objects; none where they are of one class alone."""
    labels = [k for k, crops in enumerate(library.labelled) if crops]
    if len(labels) < 2:
        return []
    pairs = [generator.choice(labels, 2, replace=False) for _ in range(AN_IMAGE)]
    chosen = [[library.labelled[k][generator.integers(len(library.labelled[k]))] for k in pair] for pair in pairs]
    return [chimera(first, second, library.classes, generator) for first, second in chosen]


@torch.no_grad()
def ask(detector, inputs: Tensor, samples: list[DetDataSample]) -> list[TeacherBoxes]:
    """The teacher's boxes of a batch, px of the resized image."""
    detector.teacher.eval()
    return detector.ask_teacher(detector.teacher.extract_feat(inputs), samples)


def strangest(detections: TeacherBoxes, detector) -> tuple[np.ndarray, np.ndarray]:
    """(O, 4) boxes of the objects and (O,) objectness times strangeness."""
    thresholds = detector.thresholds.values.to(detections.scores)
    owner = leaders(detections.boxes, detections.scores, detector.fusion.iou)
    label_threshold = torch.cat([thresholds, thresholds.amin()[None]])[detections.labels]
    least, most = by_object(detections, owner, label_threshold, detector.classes)
    lead = owner == torch.arange(len(owner), device=owner.device)
    scores = detections.objectness * (1 - (1 - least) * (1 - most))
    return detections.boxes[lead].double().numpy(force=True), scores[lead].double().numpy(force=True)


def as_result(truth: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> ImageResult:
    """One image of one class."""
    zeros, areas = np.zeros(len(truth), np.int64), (truth[:, 2:] - truth[:, :2]).prod(axis=1)
    labels = np.zeros(len(boxes), np.int64)
    return ImageResult(0, '', 1, 1, truth, zeros, zeros.astype(bool), areas, boxes, labels, scores)
