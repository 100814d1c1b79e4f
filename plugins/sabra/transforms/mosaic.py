"""Mosaic, scale and translation of images with relations."""

from collections.abc import Sequence

import numpy as np
from mmdet.registry import TRANSFORMS

from detplug.data.mosaic_affine import MosaicAffine

from ..relations import NO_OBJECT, RelationImage


@TRANSFORMS.register_module()
class MosaicRelations(MosaicAffine):
    """MosaicAffine that keeps the relations of the boxes it keeps; ours.

    A relation goes with its subject or its object. Nothing is mirrored unless ``flips`` says so: MirrorRelations does
    it with the predicates that change sides. Boxes of different sources have no relation.

    Args:
        as of MosaicAffine.
    """

    def __init__(self, *args, flips: tuple[float, float, float] = (0.0, 0.0, 0.0), **kwargs):
        super().__init__(*args, flips=flips, **kwargs)

    def _gather_boxes(self, results: dict, sources: list[dict], boxes: np.ndarray) -> np.ndarray:
        truths = [source['relation_truth'] for source in sources]  # results is the first source
        kept = super()._gather_boxes(results, sources, boxes)
        results['relation_truth'] = join_truths(truths, kept, results['gt_bboxes'], self.scale)
        return kept


def join_truths(
    truths: Sequence[RelationImage], kept: np.ndarray, boxes: np.ndarray, size: tuple[int, int]
) -> RelationImage:
    """One image from several.

    Args:
        kept: (N,) bool, of all their objects.
        boxes: (K, 4) xyxy px of those that are kept.
        size: width and height, px.
    """
    starts = np.cumsum([0, *(len(x.labels) for x in truths)])
    number = np.append(np.where(kept, np.cumsum(kept) - 1, -2), NO_OBJECT)  # new index; the last is of NO_OBJECT
    rows = []
    for start, truth in zip(starts, truths, strict=False):
        subject, object_, predicate = truth.relations.T
        moved = number[np.where(object_ == NO_OBJECT, len(number) - 1, object_ + start)]
        rows.append(np.stack([number[subject + start], moved, predicate], 1))
    relations = np.concatenate(rows)
    labels, annotated = (np.concatenate([getattr(x, name) for x in truths])[kept] for name in ('labels', 'annotated'))
    first = truths[0]
    return RelationImage(
        first.img_id, first.file_name, *size, boxes, labels, relations[(relations[:, :2] != -2).all(1)], annotated
    )
