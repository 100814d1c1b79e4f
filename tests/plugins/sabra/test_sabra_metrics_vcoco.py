"""V-COCO's figures: by a plain loop over the rules, by hand, and on the real validation set."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabra_metric_cases import SIZE, iou, nothing, perfect, random_result, random_truth, result_of, voc_area

from detplug.errors import UserError
from plugins.sabra.data.vcoco import read_split
from plugins.sabra.data.vcoco_names import VCOCO
from plugins.sabra.metrics.vcoco import official_boxes, vcoco_ap
from plugins.sabra.relations import NO_OBJECT, RelationNames, RelationResult, relation_image

NAMES = VCOCO
ROLELESS, SECOND_ROLE, POINT = {1, 4, 15, 20}, {26: 6, 27: 7, 28: 14}, 23
A, B, C, FAR = (0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10), (60, 60, 70, 70)
HOLD, STAND, HIT, HIT_OBJ = 0, 1, 6, 26


def person_relations(rng):
    """Some actions of each person; every role of an action has a row, with its object or without."""

    def relations(labels):
        rows = []
        for person in np.flatnonzero(labels == 0):
            for action in rng.choice([0, 1, 6, 14, 23], rng.integers(0, 4), replace=False):
                for role in (action, {6: 26, 14: 28}.get(action)):
                    if role is not None:
                        target = NO_OBJECT if action in ROLELESS else rng.integers(NO_OBJECT, len(labels))
                        rows.append((person, target, role))
        return rows

    return relations


def random_case(seed: int, images: int = 6):
    rng = np.random.default_rng(seed)
    truth = [random_truth(rng, i, 2, person_relations(rng), unannotated=0.2) for i in range(images)]
    results = [random_result(rng, image, 2, 29, missing=True) for image in truth]
    for result in results:  # mostly predicates that the truth has
        result.triplets[:, 2] = np.where(
            rng.random(len(result.triplets)) < 0.5,
            rng.choice([0, 1, 6, 14, 23, 26], len(result.triplets)),
            result.triplets[:, 2],
        )
    return rng, truth, results


def official(box):
    """Corners of the last pixel inside, of a box of a 16 px image."""
    x1, y1, x2, y2 = (float(v) for v in box)
    return tuple(min(max(v, 0.0), SIZE - 1.0) for v in (x1, y1, x1 + max(x2 - x1 - 1, 0.0), y1 + max(y2 - y1 - 1, 0.0)))


def slow_detections(image, result, predicate, agent):
    """[(subject box, object box or None, score)] of one role, or with ``agent`` of one action."""
    actions = {predicate} | ({k for k, v in SECOND_ROLE.items() if v == predicate} if agent else set())
    rows = [
        (s, o, float(score))
        for (s, o, p), score in zip(result.triplets.tolist(), result.triplet_scores, strict=True)
        if p in actions
    ]
    if agent:
        best = {}
        for s, _, score in rows:
            best[s] = max(best.get(s, -math.inf), score)
        order = list(dict.fromkeys(s for s, _, score in rows if score == best[s]))
        rows = [(s, NO_OBJECT, best[s]) for s in order]
    return [(result.boxes[s], None if o < 0 else result.boxes[o], score) for s, o, score in rows]


def slow_ap(images, results, predicate, mode):
    """AP of one role in scenario 's1' or 's2', or of an action as 'agent'; None where nobody does it."""
    action, found, total = SECOND_ROLE.get(predicate, predicate), [], 0
    for image, result in zip(images, results, strict=True):
        persons = [n for n, label in enumerate(image.labels) if label == 0]
        does = {s for s, _, p in image.relations.tolist() if SECOND_ROLE.get(p, p) == action}
        role = {s: o for s, o, p in image.relations.tolist() if p == predicate and o >= 0}
        total += len(does)
        covered = set()
        for subject, thing, score in sorted(
            slow_detections(image, result, predicate, mode == 'agent'), key=lambda x: -x[2]
        ):
            overlaps = [iou(official(image.boxes[n]), subject) for n in persons]
            best = overlaps.index(max(overlaps)) if persons else None
            who = persons[best] if persons else None
            if persons and not image.annotated[who]:
                continue
            if not persons or overlaps[best] < 0.5 or who not in does or who in covered:
                found.append((score, False))
                continue
            if mode == 'agent':
                good = True
            elif who not in role:
                good = mode == 's2' or thing is None
            else:
                good = thing is not None and iou(official(image.boxes[role[who]]), thing) >= 0.5
            if good:
                covered.add(who)
            found.append((score, good))
    right = [hit for _, hit in sorted(found, key=lambda x: -x[0])]
    return voc_area(right, total) if total else None


def slow_figures(images, results):
    def mean(values):
        values = [value for value in values if value is not None]
        return sum(values) / len(values) if values else None

    agent = {p: slow_ap(images, results, p, 'agent') for p in range(26)}
    figures = {'agent_ap': mean(agent.values())} | {
        f'agent/{NAMES.predicates[p].split()[0]}': value for p, value in agent.items()
    }
    for mode in ('s1', 's2'):
        ap = {p: slow_ap(images, results, p, mode) for p in range(29) if p not in ROLELESS}
        assert len(ap) == 25
        figures |= {f'{mode}/{NAMES.predicates[p]}': value for p, value in ap.items()}
        figures[f'role25_ap_{mode}'] = mean(ap.values())
        figures[f'role_ap_{mode}'] = mean([value for p, value in ap.items() if p != POINT])
    return {name: value for name, value in figures.items() if value is not None}


@given(seed=st.integers(0, 2**32 - 1))
def test_equals_the_rules_in_loops(seed):
    _, images, results = random_case(seed)
    assert vcoco_ap(images, results, NAMES) == pytest.approx(slow_figures(images, results))


def test_random_cases_are_neither_empty_nor_perfect():
    figures = [vcoco_ap(*random_case(seed)[1:], NAMES) for seed in range(80)]
    for name in ('agent_ap', 'role_ap_s1', 'role_ap_s2'):
        assert sum(0.02 < x.get(name, 0) < 0.98 for x in figures) > 20, name
    assert sum(x.get('role_ap_s1') != x.get('role_ap_s2') for x in figures) > 20


def scene(relations, annotated=None, img_id=0, boxes=(A, B, C), labels=(0, 0, 1)):
    """Two persons and a thing, 99 px."""
    return relation_image(img_id, '', (99, 99), boxes, labels, relations, annotated)


def ap(image, triplets, scores, boxes=(A, B, C, FAR)):
    images = [image] if not isinstance(image, list) else image
    results = [result_of(boxes, [0] * len(boxes), triplets, scores)] + [nothing()] * (len(images) - 1)
    return vcoco_ap(images, results, NAMES)


def test_a_missing_object_in_both_scenarios():
    image = scene([(0, NO_OBJECT, HOLD)])
    said, box = ap(image, [(0, NO_OBJECT, HOLD)], [1]), ap(image, [(0, 2, HOLD)], [1])
    assert (said['role_ap_s1'], said['role_ap_s2']) == (1, 1)
    assert (box['role_ap_s1'], box['role_ap_s2']) == (0, 1)
    there = scene([(0, 2, HOLD)])
    said = ap(there, [(0, NO_OBJECT, HOLD)], [1])
    assert (said['role_ap_s1'], said['role_ap_s2'], said['agent_ap']) == (0, 0, 1)


def test_a_person_that_nobody_annotated_is_silent():
    image = scene([(0, 2, HOLD)], annotated=[True, False, True])
    other = [(1, 2, HOLD), (0, 2, HOLD)]
    assert ap(image, other, [0.9, 0.8])['role_ap_s1'] == 1
    assert ap(scene([(0, 2, HOLD)]), other, [0.9, 0.8])['role_ap_s1'] == 1 / 2  # annotated: holds nothing
    # without any overlap the first person decides
    assert ap(image, [(3, 2, HOLD), (0, 2, HOLD)], [0.9, 0.8])['agent_ap'] == 1 / 2
    image = scene([(1, 2, HOLD)], annotated=[False, True, True])
    assert ap(image, [(3, 2, HOLD), (1, 2, HOLD)], [0.9, 0.8])['agent_ap'] == 1


def test_the_nearest_person_decides_even_if_it_does_nothing():
    near = (2, 0, 12, 10)
    image = scene([(1, 2, HOLD)], boxes=(A, near, C))
    assert iou(official_of(near), A) > 0.5
    assert ap(image, [(0, 2, HOLD)], [1])['role_ap_s1'] == 0


def official_of(box):
    return official_boxes(np.array([box], float), np.array([99]), np.array([99]))[0]


def test_a_prediction_counts_once_for_a_person():
    image = scene([(0, 2, HOLD), (1, 2, HOLD)])
    figures = ap(image, [(0, 2, HOLD), (0, 2, HOLD), (1, 2, HOLD)], [0.9, 0.8, 0.7])
    assert figures['role_ap_s1'] == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)
    assert figures['agent_ap'] == 1  # two triplets of a box are one agent


def test_an_agent_has_the_best_score_of_its_triplets():
    image = scene([(0, 2, HIT), (0, NO_OBJECT, HIT_OBJ)])
    triplets = [(0, 2, HIT), (3, 2, HIT), (0, 1, HIT_OBJ)]
    assert ap(image, triplets, [0.5, 0.7, 0.9])['agent/hit'] == 1
    assert ap(image, triplets, [0.5, 0.7, 0.6])['agent/hit'] == 1 / 2


def test_both_roles_of_an_action_count_its_persons():
    # the second person hits without an object in the picture: that role's truth counts two persons all the same
    image = scene([(0, 2, HIT), (0, 2, HIT_OBJ), (1, 2, HIT), (1, NO_OBJECT, HIT_OBJ)])
    figures = ap(image, [(0, 2, HIT), (0, 2, HIT_OBJ)], [1, 1])
    assert figures['s1/hit instr'] == figures['s1/hit obj'] == figures['s2/hit obj'] == 1 / 2


def test_the_mean_is_over_24_roles():
    rows = [(0, 2, p) for p in range(29) if p not in ROLELESS]
    found = [row for row in rows if row[2] != POINT]
    figures = ap(scene(rows), found, np.linspace(0.1, 0.9, 24))
    assert figures['role_ap_s1'] == figures['role_ap_s2'] == 1
    assert figures['role25_ap_s1'] == figures['role25_ap_s2'] == pytest.approx(24 / 25)
    figures = ap(scene(rows), found[:-1], np.linspace(0.1, 0.9, 23))  # an action without detections has AP 0
    assert figures['role_ap_s1'] == pytest.approx(23 / 24) and figures['s1/cut obj'] == 0
    assert figures['agent_ap'] == pytest.approx(21 / 22)  # nobody stands, walks, runs, smiles


def test_the_last_step_of_recall_counts():
    images = [scene([(0, 2, HOLD)]), scene([(0, 2, HOLD)], img_id=1)]
    results = [result_of([A, C], [0, 1], [(0, 1, HOLD)], [s]) for s in (0.9, 0.8)]
    assert vcoco_ap(images, results, NAMES)['role_ap_s1'] == 1
    assert vcoco_ap(images, [results[0], nothing()], NAMES)['role_ap_s1'] == 1 / 2  # and images without predictions


def test_images_without_actions_or_persons_are_annotated():
    images = [scene([(0, 2, HOLD)]), scene([], img_id=1), scene([], img_id=2, boxes=(A,), labels=(1,))]
    right = result_of([A, C], [0, 1], [(0, 1, HOLD)], [0.5])
    wrong = result_of([A, C], [0, 1], [(0, 1, HOLD)], [0.9])
    for results, expected in (([right, nothing(), nothing()], 1), ([right, wrong, nothing()], 1 / 2)):
        assert vcoco_ap(images, results, NAMES)['role_ap_s1'] == expected
    assert vcoco_ap(images, [right, wrong, wrong], NAMES)['role_ap_s1'] == pytest.approx(1 / 3)


def test_only_persons_do_something():
    assert ap(scene([(0, 2, HOLD), (2, 0, HOLD)]), [(0, 2, HOLD)], [1])['role_ap_s1'] == 1
    thin = (20, 0, 21, 10)  # a pixel wide: the script leaves it out
    assert ap(scene([(0, 2, HOLD), (1, 2, HOLD)], boxes=(A, thin, C)), [(0, 2, HOLD)], [1])['role_ap_s1'] == 1


def test_official_boxes_by_hand():
    boxes = np.array([[1, 2, 11, 22], [3, 3, 3.5, 3], [-4, -4, 5, 5], [90, 90, 130, 95]], float)
    expected = [[1, 2, 10, 21], [3, 3, 3, 3], [0, 0, 4, 4], [90, 90, 98, 94]]
    assert official_boxes(boxes, np.full(4, 99), np.full(4, 99)).tolist() == expected


def test_other_names_are_refused():
    for names in (RelationNames(('person',), ('hold',)), RelationNames(('man',), NAMES.predicates)):
        with pytest.raises(UserError, match="use the protocol 'map'"):
            vcoco_ap([], [], names)
    assert vcoco_ap([], [], NAMES) == {}


def test_the_real_validation_set(real_data):
    images = read_split(real_data('vcoco'), 'val').images
    assert len(images) == 2867
    results = perfect(images)
    figures = vcoco_ap(images, results, NAMES)
    assert set(figures.values()) == {1} and len(figures) == 5 + 26 + 2 * 25
    # never to say "no object" caps the mean of the recalls, here equal to the AP because nothing else is wrong
    bound = vcoco_ap(images, [with_objects(x) for x in results], NAMES)
    rows = np.concatenate([image.relations for image in images])
    kept = [(rows[rows[:, 2] == p, 1] >= 0).mean() for p in range(29) if p not in ROLELESS | {POINT}]
    assert bound['role_ap_s1'] == pytest.approx(np.mean(kept)) and 0.79 < bound['role_ap_s1'] < 0.8


def with_objects(result):
    chosen = result.triplets[:, 1] >= 0
    return RelationResult(
        result.boxes, result.labels, result.scores, result.triplets[chosen], result.triplet_scores[chosen]
    )
