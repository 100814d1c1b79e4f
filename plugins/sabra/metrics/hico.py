"""HICO-DET's mean average precision: full, rare, non-rare, in the default and the known-object setting.

The rules of the official script (ho-rcnn; Chao et al., WACV 2018), nothing else: no NMS, no limit of detections,
images without relations count. Public code in Python differs, by design or by rounding, and so do its figures:

- QPIC and its descendants skip the 112 test images without pairs (+.06 points full), keep the best 100 detections of an
  image and ask for the right label of the subject.
- ConsNet adds no pixel to a box, takes recall in float32 and derives the known-object setting from the boxes.
- The recalls i * 0.1 are the products, as in Octave and numpy: 3 of 5 found gives 6 / 11. MATLAB's colon counts the
  upper half down from 1, which gives 7 / 11 there (simulated: +.23 to .26 points full, +.48 to .59 rare; not run in
  MATLAB).

Letters: I images, C classes (object, predicate), T detections.
"""

from collections.abc import Sequence

import numpy as np

from detplug.errors import UserError

from ..relations import RelationImage, RelationNames, RelationResult
from .average_precision import class_ap, eleven_point, mean_figures
from .columns import Columns, blocks, predicted_columns, truth_columns
from .matched import Matched, blocks_of, join, matched
from .matching import IOU, best_partner, equal_pairs, first_takers
from .overlap import paired_iou

BLOCK = 512  # images whose detections are matched at once: bounds the memory


def hico_map(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames,
    labels_known: np.ndarray | None = None,
    unseen: np.ndarray | None = None,
    by_class: bool = False,
) -> dict[str, float]:
    """HICO-DET's figures, 0 .. 1 (papers print percent).

    Each class over all images: detections by descending score; one goes to the pair of the truth it overlaps most,
    min(IoU of the subjects, IoU of the objects) with +1 pixels, whether or not that pair is taken; right when the
    overlap is at least .5 and the pair is free. Average precision by 11 points, mean over the classes.
    The labels of subjects are not looked at. A relation (object label, predicate) that is no class is not scored; nor
    is one without object. A class without truth is left out; the official script would count it as 0, but in the
    official test set every one of the 600 has truth.

    Args:
        results: of ``images``, in their order.
        names: with ``triplets``; ``rare`` for the rare and non-rare figures.
        labels_known: (I, C), 1 where the image is labelled with the class, anything else where not (see
            :mod:`.known_objects`); for the known-object setting, where a detection counts only in images that are
            labelled with any class of the same object.
        unseen: (C,) bool, classes that the training did not have (see :mod:`..data.hico_zero_shot`).
        by_class: add ap/PREDICATE OBJECT for each class that has truth.

    Returns:
        map_full, map_rare, map_nonrare, map_seen, map_unseen; known_full, known_rare, ... Those without a class are
        left out.

    Raises:
        UserError: names without triplets, a truth that is none of them, labels of another shape, bad indices.
    """
    parts = [match_hico(*block, names) for block in blocks(images, results, BLOCK)]
    return hico_figures(blocks_of(parts), names, labels_known, unseen, by_class)


def hico_figures(
    parts: Sequence[Matched],
    names: RelationNames,
    labels_known: np.ndarray | None = None,
    unseen: np.ndarray | None = None,
    by_class: bool = False,
) -> dict[str, float]:
    """The figures of :func:`hico_map` from the blocks of :func:`match_hico`, in the order of the images."""
    if unseen is not None and np.shape(unseen) != (len(names.triplets),):
        raise UserError(f'evaluation: unseen: {np.shape(unseen)} where there are {len(names.triplets)} classes')
    ap = class_ap(eleven_point, parts)
    figures = _means('map', ap, names, unseen)
    if labels_known is not None:
        shape = (sum(part.images for part in parts), len(names.triplets))
        if np.shape(labels_known) != shape:
            raise UserError(
                f'evaluation: labels_known: {np.shape(labels_known)} where (images, classes) are {shape}; read the '
                'labels of these images'
            )
        predictions = join(parts)
        kept = known_objects(labels_known, names)[predictions.image, names.triplets[predictions.kind, 0]]
        figures |= _means('known', class_ap(eleven_point, [predictions.where(kept)]), names, unseen)
    if by_class:
        figures |= mean_figures({f'ap/{name}': ap[[i]] for i, name in enumerate(class_names(names))})
    return figures


def match_hico(images: Sequence[RelationImage], results: Sequence[RelationResult], names: RelationNames) -> Matched:
    """All detections of a class, right or wrong; see :func:`hico_map`."""
    if names.triplets is None:
        raise UserError(
            "evaluation: names: no triplets, HICO-DET's figures are means over them; use the protocol 'map' for data "
            'sets without'
        )
    truth = truth_columns(images, names)
    truth_kind = _kinds(truth, names)
    if (truth_kind < 0).any():
        i = (truth_kind < 0).argmax()
        raise UserError(
            f'evaluation: image {images[truth.image[i]].img_id}: relations: object {truth.object_label[i]} with '
            f'predicate {truth.predicate[i]} is no class; check the triplets of the data set'
        )
    predictions = predicted_columns(images, results, names)
    kind = _kinds(predictions, names)
    predictions, kind = predictions.where(kind >= 0), kind[kind >= 0]
    i, j = equal_pairs((predictions.image, kind), (truth.image, truth_kind))
    overlap = paired_iou(predictions.subject_box[i], truth.subject_box[j])
    np.minimum(overlap, paired_iou(predictions.object_box[i], truth.object_box[j]), out=overlap)
    partner, largest = best_partner(i, j, overlap, len(predictions))
    right = first_takers(np.where(largest >= IOU, partner, -1), predictions.score)
    objects = np.bincount(truth_kind, minlength=len(names.triplets))
    return matched(len(images), predictions.image, kind, predictions.score, [right], objects)


def class_names(names: RelationNames) -> list[str]:
    """PREDICATE OBJECT of each class, in their order."""
    return [f'{names.predicates[predicate]} {names.objects[thing]}' for thing, predicate in names.triplets.tolist()]


def known_objects(labels_known: np.ndarray, names: RelationNames) -> np.ndarray:
    """(I, objects) bool: the image is labelled (I, C) with a class of that object."""
    of_object = names.triplets[:, :1] == np.arange(len(names.objects))
    return (np.asarray(labels_known) == 1).astype(np.float32) @ of_object.astype(np.float32) > 0


def _kinds(columns: Columns, names: RelationNames) -> np.ndarray:
    """(T,) int64 the class of each relation, -1 for none."""
    table = np.full((len(names.objects) + 1, len(names.predicates)), -1)  # last row: without object (label -1)
    table[tuple(names.triplets.T)] = np.arange(len(names.triplets))
    return table[columns.object_label, columns.predicate]


def _means(prefix: str, ap: np.ndarray, names: RelationNames, unseen: np.ndarray | None) -> dict[str, float]:
    """PREFIX_full, PREFIX_rare, PREFIX_nonrare, PREFIX_seen, PREFIX_unseen from (C,) average precisions."""
    parts = {f'{prefix}_full': ap}
    if names.rare is not None:
        parts |= {f'{prefix}_rare': ap[names.rare], f'{prefix}_nonrare': ap[~names.rare]}
    if unseen is not None:
        parts |= {f'{prefix}_seen': ap[~unseen], f'{prefix}_unseen': ap[unseen]}
    return mean_figures(parts)
