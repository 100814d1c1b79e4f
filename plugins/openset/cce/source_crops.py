"""Crops of whole objects from the labelled images as they are, before a mosaic cuts them (ours)."""

from collections.abc import Callable

import numpy as np

from .embedding import Crop, cut_out
from .transform import as_array, objects_by_class

MARGIN = 1  # px that a whole object keeps from the image's edge


def whole(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(M,) bool: boxes (M, 4) that keep clear of the edges of an image of (height, width) px: nothing is cut off."""
    return (boxes[:, :2] >= MARGIN).all(1) & (boxes[:, 2:] <= np.array(size[::-1]) - MARGIN).all(1)


def labelled_crops(
    images, classes: int, slots: int, context: float, to_network: Callable[[np.ndarray], np.ndarray]
) -> tuple[list[Crop], np.ndarray]:
    """At most ``slots`` objects of each class, the same in every process and in every run, and how many there are.

    Objects at an image's edge are taken only where a class has no whole one.

    Args:
        images: labelled data set whose items hold ``img`` (H, W, 3) uint8, boxes in its pixels, ``img_id``.
        context: what is cut out around a box, as a share of its sides.
        to_network: puts the channels of ``img`` in the network's order.

    Returns:
        the crops and (K,) objects of the whole data set.
    """
    order = np.random.default_rng(0)
    holders = [order.permutation(x) for x in objects_by_class(images, classes)]
    wanted = dict.fromkeys(int(i) for x in holders for i in dict.fromkeys(x.tolist()[:slots]))
    by_class: list[list[tuple[bool, Crop]]] = [[] for _ in range(classes)]
    for index in wanted:
        item = images[index]
        boxes, labels = as_array(item['gt_bboxes']), item['gt_bboxes_labels']
        counted, inside = ~item['gt_ignore_flags'], whole(boxes, item['img'].shape[:2])
        picture = to_network(item['img'])
        for number in order.permutation(np.flatnonzero(counted)):
            label = int(labels[number])
            if sum(cut for cut, _ in by_class[label]) < slots:
                crop = cut_out(picture, boxes[number], label, context, image_id=item.get('img_id', -1))
                by_class[label] += [] if crop is None else [(bool(inside[number]), crop)]
    crops = []
    for crops_of_class in by_class:
        clear = [crop for is_whole, crop in crops_of_class if is_whole]
        crops += (clear or [crop for _, crop in crops_of_class])[:slots]
    return crops, np.array([len(x) for x in holders])
