"""OpenImages V6's score of relations, as papers on scene graphs print it.

The rules of the script by Zhang et al. (Graphical Contrastive Losses, CVPR 2019), which PySGG, BGNN and others carry:
every pair of boxes keeps its 2 best predicates, every image its 100 best predictions with a score above .00001;
score = .2 R@50 + .4 wmAP_rel + .4 wmAP_phr.

- R@K: over all relations of the set (micro); a prediction finds every relation with its labels of which both boxes
  overlap by at least .5, relations are not taken.
- AP of a predicate over all images: a prediction goes to the relation of its labels that it overlaps most, whether
  taken or not, and is right when the overlap is above .5 and the relation is free; all points. Overlap: min(IoU of the
  subjects, IoU of the objects), or for phrases the IoU of the boxes around both; +1 pixels.
- wmAP weighs the predicates by their relations in the truth, mAP does not; there one without truth counts 0 in the
  script, and is left out here.

Equal scores: here the first image, the first prediction comes first; the script's sort leaves that open. The script
computes overlaps in float32: a difference only within rounding of .5.

Letters: I images, T predictions, P predicates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..relations import RelationImage, RelationNames, RelationResult
from .average_precision import all_point, class_ap, mean_figures
from .columns import Columns, blocks, check_results, predicted_columns, truth_columns
from .matched import Matched, matched
from .matching import IOU, best_partner, equal_pairs, first_takers
from .vrd import best_triplets, keep_triplets, phrase_overlap, relation_overlap

TOPS = (50, 100)
KEPT, TOP, LEAST = 2, 100, 1e-5  # predicates of a pair, predictions of an image, lowest score (exclusive)
WEIGHTS = {'r50': 0.2, 'wmap_rel': 0.4, 'wmap_phr': 0.4}
BLOCK = 64  # images whose predictions are matched at once: bounds the memory


@dataclass(frozen=True)
class OpenImagesDetections:
    """Matched predictions by ``relation`` and by ``phrase`` overlap; ``hits``: K -> relations that are predicted."""

    relation: Matched
    phrase: Matched
    hits: dict[int, int]


def openimages_score(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames,
    by_class: bool = False,
) -> dict[str, float]:
    """The score and its parts, 0 .. 1 (papers print percent); the rules are those of the module.

    Args:
        results: of ``images``, in their order; scores are those of the whole relation, subject * predicate * object.
        by_class: add ap_rel/PREDICATE and ap_phr/PREDICATE.

    Returns:
        score, r50, r100, wmap_rel, wmap_phr, map_rel, map_phr; nothing where the truth has no relation.

    Raises:
        UserError: bad indices.
    """
    parts = [match_openimages(*block, names) for block in blocks(images, results, BLOCK)]
    return openimages_figures(parts, names, by_class)


def match_openimages(
    images: Sequence[RelationImage], results: Sequence[RelationResult], names: RelationNames
) -> OpenImagesDetections:
    """The predictions that count, right or wrong; see :func:`openimages_score`."""
    truth = truth_columns(images, names)
    check_results(images, results, names)
    best = [keep_triplets(result, best_triplets(result, KEPT, TOP)) for result in results]
    best = [keep_triplets(result, np.flatnonzero(result.triplet_scores > LEAST)) for result in best]
    detections = predicted_columns(images, best)
    position = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(result.triplets)) for result in best)])
    i, j = equal_pairs(detections.name, truth.name)
    objects = np.bincount(truth.predicate, minlength=len(names.predicates))
    parts = []
    for overlap in (relation_overlap, phrase_overlap):
        shared = overlap(detections.where(i), truth.where(j))
        parts.append(_ranked(len(images), detections, i, j, shared, objects))
    near = relation_overlap(detections.where(i), truth.where(j)) >= IOU
    rank = np.full(len(truth), TOP)
    np.minimum.at(rank, j[near], position[i[near]])
    return OpenImagesDetections(*parts, {top: int((rank < top).sum()) for top in TOPS})


def openimages_figures(
    parts: Sequence[OpenImagesDetections], names: RelationNames, by_class: bool = False
) -> dict[str, float]:
    """The figures of :func:`openimages_score` from the blocks of :func:`match_openimages`."""
    objects = sum(part.relation.objects for part in parts)
    if not objects.sum():
        return {}
    figures = {f'r{top}': sum(part.hits[top] for part in parts) / int(objects.sum()) for top in TOPS}
    single = {}
    for short, name in (('rel', 'relation'), ('phr', 'phrase')):
        ap = class_ap(all_point, [getattr(part, name) for part in parts])
        figures |= {
            f'wmap_{short}': float(np.nansum(ap * objects) / objects.sum()),
            f'map_{short}': float(np.nanmean(ap)),
        }
        single |= {f'ap_{short}/{word}': ap[[p]] for p, word in enumerate(names.predicates)}
    score = sum(weight * figures[name] for name, weight in WEIGHTS.items())
    return {'score': score} | figures | (mean_figures(single) if by_class else {})


def _ranked(
    images: int, detections: Columns, i: np.ndarray, j: np.ndarray, overlap: np.ndarray, objects: np.ndarray
) -> Matched:
    partner, largest = best_partner(i, j, overlap, len(detections))
    right = first_takers(np.where(largest > IOU, partner, -1), detections.score)
    return matched(images, detections.image, detections.predicate, detections.score, [right], objects)
