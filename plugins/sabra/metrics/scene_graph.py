"""Recalls of scene graphs: Visual Genome's and PSG's, with boxes.

The rules of Scene-Graph-Benchmark (Tang et al., CVPR 2020, after Zellers et al., CVPR 2018), which nearly all papers
use, and of OpenPSG (Yang et al., ECCV 2022), which differ in one pixel:

- With the graph constraint (R, mR, zR) a pair of boxes keeps its best predicate; without (ngR, ngmR) every predicate.
- Of an image's predictions, highest score first, the first K count. One finds every relation with its labels of which
  both boxes overlap by at least .5, and relations are not taken: several predictions may find one, one several.
- R@K is the mean over the images with relations (macro). The recall over all relations of the set (micro) is printed
  apart, since papers mix the two.
- mR@K: a predicate's recall is the mean over the images that have it; their mean is mR.
- zR@K: the relations whose labels (subject, predicate, object) the training has not; mean over the images with any.

Two things are not as in the scripts, both where those lose cases in silence: an image with relations and without
predictions has recall 0 (the scripts skip it), and a predicate without truth is left out of mR (the scripts count 0;
all 50 and all 56 occur in the official test sets).

Letters: I images, G relations of the truth, T predictions, P predicates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..relations import RelationImage, RelationNames, RelationResult
from .columns import Columns, blocks, check_results, predicted_columns, truth_columns
from .matching import IOU, equal_pairs
from .overlap import VOC_PIXEL, paired_iou
from .vrd import keep_triplets, ranked_triplets

TOPS = (20, 50, 100)
BLOCK = 64  # images whose predictions are matched at once: bounds the memory


@dataclass(frozen=True)
class RelationRanks:
    """The relations of a block of images, and from which rank on each is predicted.

    Args:
        images: I.
        image: (G,) int64, position of the image in the block.
        predicate: (G,) int64.
        unknown: (G,) bool, the labels are not in the training; False without a list of it.
        rank: (G,) int64, rank of the best prediction that finds it with the graph constraint; a large number for none.
        free_rank: (G,) int64, the same without the constraint.
    """

    images: int
    image: np.ndarray
    predicate: np.ndarray
    unknown: np.ndarray
    rank: np.ndarray
    free_rank: np.ndarray


def scene_graph_recall(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames,
    tops: Sequence[int] = TOPS,
    train_triplets: np.ndarray | None = None,
    pixel: float = VOC_PIXEL,
    by_class: bool = False,
) -> dict[str, float]:
    """Recalls of scene graphs, 0 .. 1 (papers print percent); the rules are those of the module.

    Predicate classification and scene-graph classification are the same figures of predictions on the boxes (and
    labels) of the truth.

    Args:
        results: of ``images``, in their order.
        tops: K.
        train_triplets: (M, 3) labels of subject, object and predicate that the training has, for zR and ngzR.
        pixel: px added to every side: 1 as in Scene-Graph-Benchmark, 0 as in OpenPSG.
        by_class: add recall_rK/PREDICATE, the largest K.

    Returns:
        rK, micro_rK, mrK, ng_rK, ng_mrK, and with ``train_triplets`` zs_rK and ng_zs_rK; those without truth are left
        out.

    Raises:
        UserError: bad indices.
    """
    parts = [match_graphs(*block, names, tops, train_triplets, pixel) for block in blocks(images, results, BLOCK)]
    return graph_figures(parts, names, tops, by_class)


def match_graphs(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames,
    tops: Sequence[int] = TOPS,
    train_triplets: np.ndarray | None = None,
    pixel: float = VOC_PIXEL,
) -> RelationRanks:
    """Which relations are predicted, and how early; see :func:`scene_graph_recall`."""
    truth = truth_columns(images, names)
    check_results(images, results, names)
    ranked = [ranked_triplets(result) for result in results]
    unknown = np.zeros(len(truth), bool)
    if train_triplets is not None:
        known = np.asarray(train_triplets, np.int64).reshape(-1, 3)
        i, _ = equal_pairs((truth.subject_label, truth.object_label, truth.predicate), tuple(known.T))
        unknown = ~np.isin(np.arange(len(truth)), i)
    ranks = []
    for constraint in (True, False):
        best = [
            keep_triplets(result, (order[rank < 1] if constraint else order)[: max(tops)])
            for result, (order, rank) in zip(results, ranked, strict=True)
        ]
        position = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(result.triplets)) for result in best)])
        ranks.append(_first_rank(predicted_columns(images, best), position, truth, pixel))
    return RelationRanks(len(images), truth.image, truth.predicate, unknown, *ranks)


def graph_figures(
    parts: Sequence[RelationRanks], names: RelationNames, tops: Sequence[int] = TOPS, by_class: bool = False
) -> dict[str, float]:
    """The figures of :func:`scene_graph_recall` from the blocks of :func:`match_graphs`."""
    first = np.cumsum([0, *(part.images for part in parts)])
    image = np.concatenate([part.image + start for part, start in zip(parts, first, strict=False)])
    columns = ('predicate', 'unknown', 'rank', 'free_rank')
    predicate, unknown, *ranks = (np.concatenate([getattr(part, name) for part in parts]) for name in columns)
    figures = {}
    for top in tops:
        for prefix, rank in zip(('', 'ng_'), ranks, strict=True):
            hit = rank < top
            by_predicate = _by_predicate(image, predicate, hit, len(names.predicates))
            figures[f'{prefix}r{top}'] = _over_images(image, hit)
            figures[f'{prefix}micro_r{top}'] = hit.mean() if len(hit) else np.nan
            figures[f'{prefix}mr{top}'] = _mean(by_predicate)
            figures[f'{prefix}zs_r{top}'] = _over_images(image[unknown], hit[unknown])
            if by_class and not prefix and top == max(tops):
                named = zip(names.predicates, by_predicate, strict=True)
                figures |= {f'recall_r{top}/{name}': value for name, value in named}
    return {name: float(value) for name, value in figures.items() if not np.isnan(value)}


def _first_rank(detections: Columns, position: np.ndarray, truth: Columns, pixel: float) -> np.ndarray:
    """(G,) the smallest position (T,) of a prediction that finds each relation."""
    i, j = equal_pairs(detections.name, truth.name)
    near = (paired_iou(detections.subject_box[i], truth.subject_box[j], pixel) >= IOU) & (
        paired_iou(detections.object_box[i], truth.object_box[j], pixel) >= IOU
    )
    rank = np.full(len(truth), np.iinfo(np.int64).max)
    np.minimum.at(rank, j[near], position[i[near]])
    return rank


def _over_images(image: np.ndarray, hit: np.ndarray) -> float:
    """Mean over the images that occur of the share that is hit; NaN without any."""
    _, inverse = np.unique(image, return_inverse=True)
    return _mean(_shares(inverse, hit))


def _by_predicate(image: np.ndarray, predicate: np.ndarray, hit: np.ndarray, count: int) -> np.ndarray:
    """(P,) mean over the images that have the predicate of the share that is hit; NaN without any."""
    groups, inverse = np.unique(image * count + predicate, return_inverse=True)
    shares, owner = _shares(inverse, hit), groups % count
    number = np.bincount(owner, minlength=count)
    total = np.bincount(owner, shares, minlength=count)
    return np.divide(total, number, out=np.full(count, np.nan), where=number > 0)


def _shares(group: np.ndarray, hit: np.ndarray) -> np.ndarray:
    return np.bincount(group, hit) / np.maximum(np.bincount(group), 1)


def _mean(values: np.ndarray) -> float:
    """Mean of those that are not NaN; NaN where none is."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else np.nan
