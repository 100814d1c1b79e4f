"""CCE on batches: the library is filled from labelled images and sure teacher boxes, and embedded into both views.

Loader processes never see a library that changes in the main process; so this acts on the batch, in the detector.
"""

from itertools import compress

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.structures import InstanceData
from torch import Tensor, nn

from .cce import Crop, EmbedRule, ForegroundLibrary, cut_out, embed
from .cce.source_crops import labelled_crops, whole
from .fusion import KNOWN, UNKNOWN, TeacherBoxes
from .pixels import in_network_order, to_input, to_pixels

AN_IMAGE = 4  # crops of a class that one image gives: a crowd of one class in one image teaches little more


class BatchEmbedding:
    """The library and its use in a training step. K known classes, label K is "unknown".

    Args:
        classes: K.
        number: fewest and most crops an image.
        slots, eta, momentum, chimeras: of the :class:`ForegroundLibrary`.
        sure: probability of its class, given an object, from which on a teacher box is kept.
        ordinary: OOD score below which it is kept; with too few labelled boxes (0.5) it is not, by default. A wrong
            known name passes both where the teacher is sure and the OOD score blind; where nothing scores teacher
            boxes, none is kept.
        unknown: "unknown" is a class like another (ours): objects pseudo-labelled so are kept, drawn and embedded.
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
        ordinary: float = 0.5,
        unknown: bool = False,
        chimeras: float = 0.0,
        **rule,
    ):
        self.library = ForegroundLibrary(classes, slots, eta, momentum, unknown, chimeras)
        self.classes, self.number, self.sure, self.ordinary, self.unknown = classes, number, sure, ordinary, unknown
        self.rule = EmbedRule(**rule)

    def start(self, images, preprocessor: nn.Module) -> None:
        """Fill the library from the labelled images as they are before anything is mixed."""
        crops, counts = labelled_crops(
            images,
            self.classes,
            self.library.slots,
            self.rule.context,
            lambda picture: in_network_order(picture, preprocessor),
        )
        self.library.add(crops)
        self.library.start(counts, len(images))

    def teacher_crops(
        self, image: Tensor, detections: TeacherBoxes, fate: Tensor, sample: DetDataSample, preprocessor: nn.Module
    ) -> list[Crop]:
        """Whole objects of one weak view of which teacher and OOD score (or oracle) are sure."""
        certain = (detections.scores >= self.sure * detections.objectness) & (detections.ood < self.ordinary)
        kept = (fate == KNOWN) & certain
        if self.unknown:
            kept = kept | (fate == UNKNOWN)
        labels = torch.where(fate == UNKNOWN, self.classes, detections.labels)
        boxes, labels, scores = (x[kept].numpy(force=True) for x in (detections.boxes, labels, detections.scores))
        inside = np.flatnonzero(whole(boxes, sample.img_shape[:2]))
        newest = [i for k in np.unique(labels[inside]) for i in inside[labels[inside] == k][:AN_IMAGE]]
        if not newest:
            return []
        pixels, number = to_pixels(image, preprocessor), sample.metainfo.get('img_id', -1)
        origin = dict(source='pseudo', image_id=number)
        crops = [
            cut_out(pixels, boxes[i], labels[i], self.rule.context, score=float(scores[i]), **origin) for i in newest
        ]
        return [crop for crop in crops if crop is not None]

    def learn(self, crops: list[Crop], counts: Tensor, images: int) -> None:
        """Keep teacher crops and count (K + 1,) pseudo-labels of ``images`` weak views, of all processes alike."""
        local = crops, counts.cpu().numpy()
        parts = all_gather_object(local) if get_world_size() > 1 else [local]
        for part, _ in parts:
            self.library.add(part)
        self.library.observe(sum(x for _, x in parts), images * len(parts))

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
            canvas, boxes = to_pixels(view, preprocessor), boxes_of(sample.gt_instances)
            ignored = sample.get('ignored_instances')
            fixed = boxes[:0] if ignored is None else boxes_of(ignored)
            stay, added = mix_in(canvas, boxes, fixed, crops, self.rule, generator)
            view.copy_(to_input(canvas, preprocessor))
            sample.gt_instances = with_objects(sample.gt_instances, stay, added)


def boxes_of(instances: InstanceData) -> np.ndarray:
    """(M, 4) boxes on the host."""
    return get_box_tensor(instances.bboxes).numpy(force=True)


def mix_in(
    canvas: np.ndarray,
    boxes: np.ndarray,
    fixed: np.ndarray,
    crops: list[Crop],
    rule: EmbedRule,
    generator: np.random.Generator,
) -> tuple[np.ndarray, list[tuple[np.ndarray, int]]]:
    """Embed each crop for which there is room into the (H, W, 3) uint8 canvas, in place.

    Args:
        boxes: (M, 4) of the labelled objects; ``fixed`` (I, 4) of what else is kept clear of.

    Returns:
        (M,) bool objects that are not covered, and (box (4,), label) of each crop that is there and not covered.
    """
    stay, added = np.ones(len(boxes), bool), []
    for crop in crops:
        there = np.concatenate([boxes[stay], *(box[None] for box, _ in added), fixed])
        placed = embed(canvas, there, crop, rule, generator)
        if placed is None:
            continue
        old, new, _ = np.split(placed[1], np.cumsum([stay.sum(), len(added)]))
        stay[stay] = old
        added = [*compress(added, new), (placed[0], crop.label)]
    return stay, added


def with_objects(truth: InstanceData, stay: np.ndarray, added: list[tuple[np.ndarray, int]]) -> InstanceData:
    """The (M,) instances that stay, then the added objects, which weigh 1."""
    device = truth.labels.device
    kept = truth if stay.all() else truth[torch.from_numpy(stay).to(device)]
    if not added:
        return kept
    boxes = torch.from_numpy(np.stack([box for box, _ in added])).float().to(device)
    new = InstanceData(
        bboxes=boxes if isinstance(truth.bboxes, Tensor) else type(truth.bboxes)(boxes),
        labels=torch.tensor([label for _, label in added], device=device),
    )
    if 'weights' in truth:
        new.weights = truth.weights.new_ones(len(added))
    return InstanceData.cat([kept, new])
