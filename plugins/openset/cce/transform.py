"""CCE as a pipeline transform: objects of rare classes, cut from other training images, join a training image."""

import random
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import get_box_tensor

from .class_control import draw_probabilities
from .embedding import EmbedRule, cut_out, embed


@TRANSFORMS.register_module()
class CategoryControlEmbed(BaseTransform):
    """Embed ground-truth crops; in the pipeline of a mixing data set, after the mosaic, in any supervised training.

    The library is the data set itself: classes are drawn by class control, an object of the class at random, and
    the image that holds it is read like a partner of a mosaic. So nothing is kept in a process, and every process and
    a resumed training draw the same.

    Args:
        number: fewest and most crops an image.
        prob: share of the images that get any.
        eta: exponent of class control, 0 to 1.
        classes: labels that may be embedded; by default all.
        rule: further arguments of :class:`EmbedRule`.

    Reads and writes img (uint8 BGR), gt_bboxes ((N, 4) numpy xyxy px or mmdet boxes), gt_bboxes_labels,
    gt_ignore_flags; the input image is not changed in place. Random numbers come from Python's ``random``, which
    SeededDataset seeds for every draw.
    """

    def __init__(
        self,
        number: tuple[int, int] = (1, 3),
        prob: float = 1.0,
        eta: float = 1.0,
        classes: Sequence[int] | None = None,
        **rule,
    ):
        self.number, self.prob, self.eta = number, prob, eta
        self.classes = None if classes is None else tuple(classes)
        self.rule = EmbedRule(**rule)
        self._objects: list[np.ndarray] | None = None
        self._drawn: list[int] = []

    def get_indexes(self, dataset) -> list[int]:
        """Images that hold the objects of this draw."""
        if self._objects is None:
            self._objects = objects_by_class(dataset, len(dataset.metainfo['classes']))
        counts = np.array([len(x) for x in self._objects])
        allowed = counts > 0
        if self.classes is not None:
            allowed &= np.isin(np.arange(len(counts)), self.classes)
        chances = draw_probabilities(counts, allowed, self.eta)
        generator = new_generator()
        if chances is None or generator.random() >= self.prob:
            self._drawn = []
            return []
        number = generator.integers(self.number[0], self.number[1] + 1)
        self._drawn = generator.choice(len(chances), number, p=chances).tolist()
        return [int(generator.choice(self._objects[k])) for k in self._drawn]

    def transform(self, results: dict) -> dict:
        sources = results.pop('mix_results', [])
        image = results['img'].copy() if sources else results['img']
        boxes, labels, ignored = as_array(results['gt_bboxes']), results['gt_bboxes_labels'], results['gt_ignore_flags']
        generator = new_generator()
        for source, label in zip(sources, self._drawn, strict=True):
            crop = self._crop(source, label, generator)
            placed = crop and embed(image, boxes, crop, self.rule, generator)
            if placed:
                box, kept = placed
                boxes = np.concatenate([boxes[kept], box[None]])
                labels, ignored = np.append(labels[kept], label), np.append(ignored[kept], False)
        results['img'] = image
        results['gt_bboxes'] = with_boxes(results['gt_bboxes'], boxes)
        results['gt_bboxes_labels'], results['gt_ignore_flags'] = labels.astype(np.int64), ignored.astype(bool)
        return results

    def _crop(self, source: dict, label: int, generator: np.random.Generator):
        """One object of the class in the image, at random; None where it is too small to cut."""
        mine = np.flatnonzero((source['gt_bboxes_labels'] == label) & ~source['gt_ignore_flags'])
        box = as_array(source['gt_bboxes'])[generator.choice(mine)]
        return cut_out(source['img'], box, label, self.rule.context, image_id=source.get('img_id', -1))


def new_generator() -> np.random.Generator:
    """A generator seeded from Python's ``random``."""
    return np.random.default_rng(random.getrandbits(64))


def objects_by_class(dataset, classes: int) -> list[np.ndarray]:
    """For each class the index of the image of every object that counts; an image with two is there twice."""
    by_class = [[] for _ in range(classes)]
    for index in range(len(dataset)):
        for item in dataset.get_data_info(index)['instances']:
            if not item.get('ignore_flag', 0):
                by_class[item['bbox_label']].append(index)
    return [np.array(x, np.int64) for x in by_class]


def as_array(boxes) -> np.ndarray:
    """(N, 4) float32, from numpy or mmdet's boxes."""
    return np.asarray(boxes if isinstance(boxes, np.ndarray) else get_box_tensor(boxes).numpy(), np.float32)


def with_boxes(like, boxes: np.ndarray):
    """``boxes`` in the form of ``like``."""
    boxes = boxes.astype(np.float32)
    return boxes if isinstance(like, np.ndarray) else type(like)(boxes)
