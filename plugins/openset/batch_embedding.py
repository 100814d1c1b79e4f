"""CCE on batches: the library is filled from labelled images and sure teacher boxes, and embedded into both views.

Loader processes never see a library that changes in the main process; so this acts on the batch, in the detector.
"""

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmengine.dist import get_rank
from mmengine.structures import InstanceData
from torch import Tensor, nn

from .cce import Crop, EmbedRule, ForegroundLibrary, cut_out, embed
from .pixels import to_input, to_pixels

A_BATCH = 4  # crops of a class that one image gives: a crowd of one class in one image teaches little more
ADDED = -1  # in place of the number of a label that was there before


class BatchEmbedding:
    """The library and its use in a training step. K known classes, label K is "unknown" and never embedded.

    Args:
        classes: K.
        number: fewest and most crops an image.
        slots, eta, momentum: of the :class:`ForegroundLibrary`.
        sure: score below which a teacher box is not kept, whatever its class threshold.
        **rule: of :class:`EmbedRule`.
    """

    def __init__(
        self,
        classes: int,
        number: tuple[int, int] = (1, 3),
        slots: int = 64,
        eta: float = 1.0,
        momentum: float = 0.01,
        sure: float = 0.9,
        **rule,
    ):
        self.library = ForegroundLibrary(classes, slots, eta, momentum)
        self.classes, self.number, self.sure = classes, number, sure
        self.rule = EmbedRule(**rule)

    def learn(self, inputs: Tensor, samples: list[DetDataSample], preprocessor: nn.Module) -> None:
        """Keep the labelled objects of a batch and count them."""
        counts = np.zeros(self.classes)
        for image, sample in zip(inputs, samples, strict=True):
            truth = sample.gt_instances
            boxes, labels = get_box_tensor(truth.bboxes), truth.labels
            counts += torch.bincount(labels.cpu(), minlength=self.classes)[: self.classes].numpy()
            self._keep(image, boxes, labels, torch.ones_like(labels, dtype=torch.float32), 'gt', sample, preprocessor)
        if not self.library.counts.any():
            self.library.start_counts(counts)
        self.library.observe(counts)

    def learn_pseudo(
        self, image: Tensor, boxes: Tensor, labels: Tensor, scores: Tensor, thresholds: Tensor, sample: DetDataSample,
        preprocessor: nn.Module,
    ) -> None:  # fmt: skip
        """Keep the teacher's surest known boxes of one weak view, and count all of them."""
        self.library.observe(torch.bincount(labels.cpu(), minlength=self.classes)[: self.classes].numpy())
        sure = scores >= thresholds[labels].clamp(min=self.sure)
        self._keep(image, boxes[sure], labels[sure], scores[sure], 'pseudo', sample, preprocessor)

    def apply(
        self, inputs: Tensor, samples: list[DetDataSample], preprocessor: nn.Module, step: int, branch: int
    ) -> None:
        """Embed crops into the images and append their boxes, in place; drawn anew from (seed, rank, step, branch)."""
        generator = np.random.default_rng((torch.initial_seed() % 2**32, get_rank(), step, branch))
        for image, sample in zip(inputs, samples, strict=True):
            crops = self.library.draw(int(generator.integers(self.number[0], self.number[1] + 1)), generator)
            if not crops:
                continue
            height, width = sample.img_shape[:2]
            view = image[:, :height, :width]
            canvas = to_pixels(view, preprocessor)
            sample.gt_instances = self._embedded(canvas, sample, crops, generator)
            view.copy_(to_input(canvas, preprocessor))

    def _embedded(
        self, canvas: np.ndarray, sample: DetDataSample, crops: list[Crop], generator: np.random.Generator
    ) -> InstanceData:
        """Mix the crops into the canvas; the labels that are left, then those of the crops that found a place."""
        truth, ignored = sample.gt_instances, sample.get('ignored_instances')
        boxes = get_box_tensor(truth.bboxes).cpu().numpy()
        fixed = boxes[:0] if ignored is None else get_box_tensor(ignored.bboxes).cpu().numpy()
        origin, labels = np.arange(len(boxes)), truth.labels.cpu().numpy()
        for crop in crops:
            placed = embed(canvas, np.concatenate([boxes, fixed]), crop, self.rule, generator)
            if placed is not None:
                box, kept = placed
                kept = kept[: len(boxes)]
                boxes = np.concatenate([boxes[kept], box[None]])
                origin, labels = np.append(origin[kept], ADDED), np.append(labels[kept], crop.label)
        added = origin == ADDED
        if not added.any():
            return truth
        device = truth.labels.device
        new = InstanceData(bboxes=torch.from_numpy(boxes[added]).float(), labels=torch.from_numpy(labels[added])).to(
            device
        )
        new.bboxes = type(truth.bboxes)(new.bboxes) if not isinstance(truth.bboxes, Tensor) else new.bboxes
        if 'weights' in truth:
            new.weights = truth.weights.new_ones(len(new.labels))
        return InstanceData.cat([truth[torch.from_numpy(origin[~added]).to(device)], new])

    def _keep(
        self, image: Tensor, boxes: Tensor, labels: Tensor, scores: Tensor, source: str, sample: DetDataSample,
        preprocessor: nn.Module,
    ) -> None:  # fmt: skip
        if not len(boxes):
            return
        pixels = to_pixels(image, preprocessor)
        newest = torch.cat([(labels == label).nonzero()[-A_BATCH:, 0] for label in labels.unique()])
        for box, label, score in zip(*(x[newest].cpu().numpy() for x in (boxes, labels, scores)), strict=True):
            crop = cut_out(
                pixels, box, label, self.rule.context, source=source, score=float(score),
                image_id=sample.metainfo.get('img_id', -1),
            )  # fmt: skip
            if crop is not None:
                self.library.add([crop])
