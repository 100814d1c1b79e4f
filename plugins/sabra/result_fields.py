"""The field ``relations`` of SABRA's detections: how it is made, drawn and written. Needs no torch."""

from collections.abc import Mapping

import numpy as np

from detplug.errors import UserError
from detplug.runtime.detections import Detections
from detplug.runtime.result_field import Option, ResultField

from .relation_drawing import draw_arrows, drawn_boxes
from .relation_field import NO_OBJECT, Relations, relations_of

PAIRS, ALONE = 'relation_scores', 'intransitive_scores'  # outputs of an exported network
RENAMED = 'solo_scores'  # ALONE in bundles of before


def make(outputs: Mapping[str, np.ndarray], manifest: Mapping, count: int) -> Relations:
    """The relations of an image from (D, M, C) scores of pairs, M >= D columns, and (D, C) without an object."""
    if RENAMED in outputs:
        raise UserError(f'manifest.json: outputs.extra: {RENAMED} is now {ALONE}; export the detector again')
    return relations_of(outputs[PAIRS][:, :count], outputs.get(ALONE), tuple(manifest['predicates']))


def of_sample(sample, model) -> Relations | None:
    """The relations of torch's result."""
    if 'pred_relations' not in sample:
        return None
    result = sample.pred_relations
    return Relations(result.triplets, result.triplet_scores, tuple(model.dataset_meta['predicates']))


def draw(picture: np.ndarray, detections: Detections, relations: Relations) -> None:
    """Arrows from subject to object."""
    draw_arrows(picture, detections.boxes, relations.triplets, relations.scores, relations.names)


def table(relations: Relations) -> list[dict]:
    """A row for each relation; ``predicate_id`` is the label + 1, no object in the picture is None."""
    return [
        dict(
            subject=subject,
            object=None if target == NO_OBJECT else target,
            predicate_id=predicate + 1,
            predicate=relations.names[predicate],
            score=round(score, 5),
        )
        for (subject, target, predicate), score in zip(
            relations.triplets.tolist(), relations.scores.tolist(), strict=True
        )
    ]


def select(relations: Relations, threshold: float) -> Relations:
    """Those with at least ``threshold``."""
    good = relations.scores >= threshold
    return Relations(relations.triplets[good], relations.scores[good], relations.names)


def difference(first: Relations, second: Relations, i: np.ndarray, j: np.ndarray) -> float:
    """Largest difference of the scores of relations between paired detections, and of those without object."""
    counts = [max(int(x.triplets[:, :2].max(initial=-1)), int(index.max(initial=-1))) + 1
              for x, index in ((first, i), (second, j))]  # fmt: skip
    dense = [
        x.dense(count)[index][:, np.append(index, count)]  # the last column: no object
        for x, index, count in zip((first, second), (i, j), counts, strict=True)
    ]
    return float(np.abs(dense[0] - dense[1]).max(initial=0))


FIELDS = {
    'relations': ResultField(
        draw=draw,
        table=table,
        refers=('subject', 'object'),
        shown=lambda relations, count: drawn_boxes(relations.triplets, count),
        option=Option('relation-thr', 0.1, 'lowest score of a relation, 0 to 1'),
        select=select,
        outputs=(PAIRS, ALONE, RENAMED),
        make=make,
        of_sample=of_sample,
        difference=difference,
    )
}
