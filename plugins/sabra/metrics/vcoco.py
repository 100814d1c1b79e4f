"""V-COCO's average precision of agents and roles (Gupta and Malik, arXiv 1505.04474), by the rules of its script.

Where this is not the script to the last bit: of detections with equal scores the script takes those of later images
first, here the first image comes first (scores in steps of .01: at most 1.5 points of an AP, .04 of a mean); the script
computes overlaps in float32, which matters only within rounding of .5; an action without detections stops the script
and has AP 0 here. With the text reader (:mod:`..data.vcoco_everything`) alone, without vcoco_val.json beside it, 19
persons of 18 val images count as not annotated: at most .06 points of a mean, 1.2 of an AP.

Letters: G objects of the truth, D predicted boxes, T predicted relations; 26 actions, 29 predicates. Predicates 0 .. 25
are the actions in official order, which stand for the action's first role too; 26, 27, 28 are the second roles of hit,
eat and cut.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from detplug.errors import UserError

from ..data.vcoco_names import ACTIONS, PREDICATES
from ..relations import NO_OBJECT, RelationImage, RelationNames, RelationResult
from .average_precision import all_point, class_ap, mean_figures
from .columns import Columns, blocks, predicted_columns, truth_columns
from .matched import Matched, matched
from .matching import IOU, best_partner, equal_pairs, first_takers
from .overlap import VOC_PIXEL, paired_iou

ACTION_NAMES = tuple(ACTIONS)
ACTION_OF = np.array([ACTION_NAMES.index(name.partition(' ')[0]) for name in PREDICATES])  # of each predicate
ROLES = np.array([p for p, action in enumerate(ACTION_OF) if ACTIONS[ACTION_NAMES[action]]])  # 25 predicates
PRINTED = ROLES[ROLES != ACTION_NAMES.index('point')]  # the 24 of which papers print the mean
PERSON, NOBODY = 'person', -1  # a class; in place of a person's number
BLOCK = 128  # images whose detections are matched at once: bounds the memory


class Persons(NamedTuple):
    """Persons of the truth, and in the last row "no person", which is annotated and does nothing.

    Args:
        image: (G + 1,) int64, position of the image, -1 in the last row.
        box: (G + 1, 4) float64 in the official form.
        annotated: (G + 1,) bool, annotated in V-COCO.
        does: (G + 1, 26) bool, the person does the action.
        has: (G + 1, 29) bool, the object of the role is in the picture.
    """

    image: np.ndarray
    box: np.ndarray
    annotated: np.ndarray
    does: np.ndarray
    has: np.ndarray


class RoleBoxes(NamedTuple):
    """Objects of roles in the truth: ``person`` (R,) int64, ``predicate`` (R,) int64, ``box`` (R, 4) official form."""

    person: np.ndarray
    predicate: np.ndarray
    box: np.ndarray


class VcocoDetections(NamedTuple):
    """Matched detections: ``agents`` of the 26 actions, ``roles`` of the 29 predicates (rules: scenario 1, 2)."""

    agents: Matched
    roles: Matched


def vcoco_ap(
    images: Sequence[RelationImage], results: Sequence[RelationResult], names: RelationNames
) -> dict[str, float]:
    """V-COCO's figures, 0 .. 1 (papers print percent).

    A detection belongs to the person its subject overlaps most (+1 pixels, the first of equals; with no overlap at all
    the first person of the image). Is that person not annotated, the detection is dropped. It is right when the overlap
    is at least .5, the person does the action, the role fits, and no better detection has found this person's role
    before. The role fits when the boxes overlap by .5; a role that is not in the picture asks for a prediction without
    object in scenario 1, and takes any prediction in scenario 2. The truth counts a person that does the action once
    for each role. Average precision at all points.

    The official file has one row a person box, with one role box for each action and role. The converters of HOI papers
    write a row for every pair of person and object instead, so that a person may have several role boxes for an action.
    Here each triplet is such a detection of a role; one without object is the official empty box. An agent is a
    predicted box with the best score that any of its triplets gives to the action.

    Three cases the script leaves open: an action without detections has AP 0 (the script crashes); one that nobody does
    is left out; in an image without persons every detection is wrong.

    Args:
        results: of ``images``, in their order. The labels of their boxes are not looked at: the script knows none.
        names: V-COCO's predicates; persons of the truth are the objects of the class ``person``.

    Returns:
        agent_ap (26 actions), role_ap_s1 and role_ap_s2 (24 roles, without that of point), role25_ap_s1 and
        role25_ap_s2 (all 25), and agent/ACTION, s1/PREDICATE, s2/PREDICATE.

    Raises:
        UserError: other predicates than V-COCO's, no class ``person``, bad indices.
    """
    parts = [match_vcoco(*block, names) for block in blocks(images, results, BLOCK)]
    return vcoco_figures([part.agents for part in parts], [part.roles for part in parts])


def match_vcoco(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames,
    allowed: np.ndarray | None = None,
) -> VcocoDetections:
    """The detections of persons that were annotated, right or wrong; see :func:`vcoco_ap`.

    Args:
        allowed: (O + 1, 29) bool of :func:`..data.vcoco_names.seen_pairs`; predictions of other pairs are left out.
    """
    if names.predicates != PREDICATES or PERSON not in names.objects:
        raise UserError(
            f"evaluation: names: not V-COCO's {len(PREDICATES)} predicates and a class {PERSON!r}; use the protocol "
            "'map' for other data sets"
        )
    persons, roles = _truth(images, names)
    predictions = predicted_columns(images, results, names)
    if allowed is not None:
        predictions = predictions.where(allowed[predictions.object_label, predictions.predicate])
    person, overlap = _person_of(predictions, persons)
    kept = persons.annotated[person]
    predictions, person, near = predictions.where(kept), person[kept], overlap[kept] >= IOU
    does = near & persons.does[person, ACTION_OF[predictions.predicate]]
    objects = persons.does[persons.annotated].sum(axis=0)
    agents = _agents(len(images), predictions, np.where(does, person, NOBODY), objects)

    empty, has = predictions.object == NO_OBJECT, persons.has[person, predictions.predicate]
    fits = _fits(predictions, np.where(does & ~empty, person, NOBODY), roles)
    rules = []
    for fits_nothing in (empty, True):  # scenario 1, 2
        right = does & np.where(has, fits, fits_nothing)
        rules.append(
            first_takers(np.where(right, person * len(PREDICATES) + predictions.predicate, NOBODY), predictions.score)
        )
    return VcocoDetections(
        agents,
        matched(len(images), predictions.image, predictions.predicate, predictions.score, rules, objects[ACTION_OF]),
    )


def vcoco_figures(agents: Sequence[Matched], roles: Sequence[Matched]) -> dict[str, float]:
    """The figures of :func:`vcoco_ap` from the blocks of :func:`match_vcoco`, in the order of the images."""
    ap = {'agent': class_ap(all_point, agents)}
    ap |= {scenario: class_ap(all_point, roles, rule) for rule, scenario in enumerate(('s1', 's2'))}
    return _figures(ap)


def official_boxes(boxes: np.ndarray, width: np.ndarray, height: np.ndarray) -> np.ndarray:
    """(B, 4) corners as the script has them: the last pixel inside, x1 + max(w - 1, 0), within the image.

    Args:
        boxes: (B, 4) x1, y1, x1 + w, y1 + h.
        width, height: (B,) px of the box's image.
    """
    last = boxes[:, :2] + (boxes[:, 2:] - boxes[:, :2] - VOC_PIXEL).clip(min=0)
    limit = np.stack([width, height], axis=1) - 1
    return np.concatenate([boxes[:, :2].clip(0, limit), last.clip(0, limit)], axis=1)


def _truth(images: Sequence[RelationImage], names: RelationNames) -> tuple[Persons, RoleBoxes]:
    """Persons and the objects of their roles; the script knows no person of a pixel's width or height."""
    truth = truth_columns(images, names)
    size = np.array([(image.width, image.height) for image in images], np.float64).reshape(-1, 2)
    image = np.repeat(np.arange(len(images)), [len(image.boxes) for image in images])
    box = np.concatenate([np.zeros((0, 4)), *(image.boxes for image in images)])
    label = np.concatenate([np.zeros(0, np.int64), *(image.labels for image in images)])
    annotated = np.concatenate([np.zeros(0, bool), *(image.annotated for image in images)])
    box = official_boxes(box, *size[image].T)
    rows = np.flatnonzero((label == names.objects.index(PERSON)) & (box[:, 2:] > box[:, :2]).all(axis=1))
    number = np.full(len(box), -1)
    number[rows] = np.arange(len(rows))

    person, predicate = number[truth.subject], truth.predicate
    does, has = (np.zeros((len(rows) + 1, len(columns)), bool) for columns in (ACTIONS, PREDICATES))
    does[person, ACTION_OF[predicate]] = True
    does[-1] = False
    chosen = (person >= 0) & (truth.object != NO_OBJECT)
    person, predicate, target = person[chosen], predicate[chosen], truth.object[chosen]
    has[person, predicate] = True
    persons = Persons(
        np.append(image[rows], -1),
        np.append(box[rows], np.zeros((1, 4)), axis=0),
        np.append(annotated[rows], True),
        does,
        has,
    )
    return persons, RoleBoxes(person, predicate, box[target])


def _person_of(predictions: Columns, persons: Persons) -> tuple[np.ndarray, np.ndarray]:
    """(T,) int64 the person that the subject overlaps most, -1 in an image without persons; (T,) the overlap."""
    _, first, inverse = np.unique(predictions.subject, return_index=True, return_inverse=True)
    i, j = equal_pairs((predictions.image[first],), (persons.image[:-1],))
    overlap = paired_iou(predictions.subject_box[first][i], persons.box[j])
    person, largest = best_partner(i, j, overlap, len(first))
    return person[inverse], largest[inverse]


def _agents(images: int, predictions: Columns, person: np.ndarray, objects: np.ndarray) -> Matched:
    """Detections of actions from (T,) the person who is found and does the action, NOBODY for none."""
    action = ACTION_OF[predictions.predicate]
    best = first_takers(predictions.subject * len(ACTIONS) + action, predictions.score)  # of a box and an action
    image, action, person, score = predictions.image[best], action[best], person[best], predictions.score[best]
    right = first_takers(np.where(person >= 0, person * len(ACTIONS) + action, NOBODY), score)
    return matched(images, image, action, score, [right], objects)


def _fits(predictions: Columns, person: np.ndarray, roles: RoleBoxes) -> np.ndarray:
    """(T,) bool: the predicted object overlaps the one of the (T,) person's role; False where person is -1."""
    i, j = equal_pairs((person, predictions.predicate), (roles.person, roles.predicate))
    fits = np.zeros(len(predictions), bool)
    fits[i[paired_iou(predictions.object_box[i], roles.box[j]) >= IOU]] = True
    return fits


def _figures(ap: dict[str, np.ndarray]) -> dict[str, float]:
    """Means and single figures; ap holds agent (26,), s1 (29,), s2 (29,), NaN where the truth has none."""
    means = {'agent_ap': ap['agent']}
    means |= {f'role_ap_{scenario}': ap[scenario][PRINTED] for scenario in ('s1', 's2')}
    means |= {f'role25_ap_{scenario}': ap[scenario][ROLES] for scenario in ('s1', 's2')}
    single = {f'agent/{name}': ap['agent'][[action]] for action, name in enumerate(ACTION_NAMES)}
    single |= {f'{scenario}/{PREDICATES[p]}': ap[scenario][[p]] for scenario in ('s1', 's2') for p in ROLES}
    return mean_figures(means | single)
