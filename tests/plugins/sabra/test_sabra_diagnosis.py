"""Errors of relation predictions: by a plain loop over the definitions, and planted kinds of errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabra_metric_cases import (
    free_relations,
    iou,
    nothing,
    perfect,
    random_result,
    random_truth,
    result_of,
    voc_area,
    with_distinct_scores,
)

from plugins.sabra.evaluator.diagnosis import KINDS, Rules, diagnose
from plugins.sabra.evaluator.report import diagnosis_picture, diagnosis_table
from plugins.sabra.relations import RelationNames, relation_image

NAMES = RelationNames(('egg', 'worm'), ('on', 'near', 'in'))
A, B, C, FAR = (0, 0, 9, 9), (20, 0, 29, 9), (40, 0, 49, 9), (60, 60, 69, 69)


def random_case(seed: int, images: int = 5):
    rng = np.random.default_rng(seed)
    truth = [random_truth(rng, i, 2, free_relations(rng, 3, True)) for i in range(images)]
    results = [random_result(rng, image, 2, 3, True) for image in truth]
    return truth, with_distinct_scores(rng, results)


class SlowEnds:
    """Which ends of a prediction and of a relation of its image agree, in loops."""

    def __init__(self, image, result, rules):
        self.image, self.result, self.rules = image, result, rules

    def box(self, mine, theirs, labelled):
        if mine < 0 or theirs < 0:
            return mine < 0 and theirs < 0
        near = iou(self.result.boxes[mine], self.image.boxes[theirs]) >= 0.5
        return near and (not labelled or self.result.labels[mine] == self.image.labels[theirs])

    def agree(self, row, relation):
        return (
            self.box(row[0], relation[0], self.rules.subject_label),
            self.box(row[1], relation[1], self.rules.object_label),
            row[2] == relation[2],
        )

    def overlap(self, row, relation):
        subject = iou(self.result.boxes[row[0]], self.image.boxes[relation[0]])
        if row[1] < 0 and relation[1] < 0:
            return subject
        # a missing object stands for the subject's box in the overlap, as in the figures
        mine = self.result.boxes[row[1] if row[1] >= 0 else row[0]]
        theirs = self.image.boxes[relation[1] if relation[1] >= 0 else relation[0]]
        return min(subject, iou(mine, theirs))

    def on_object(self, box, labelled):
        return box < 0 or any(self.box(box, k, labelled) for k in range(len(self.image.boxes)))


def slow_take(ends, rows, wanted, free):
    """Row -> relation, by descending score: the free relation of largest overlap for which ``wanted`` holds."""
    taken, match = set(), {}
    for n, row in rows:
        best = None
        for k, relation in enumerate(ends.image.relations.tolist()):
            if k in free and k not in taken and wanted(n, *ends.agree(row, relation)):
                overlap = ends.overlap(row, relation)
                if best is None or overlap > best[0]:
                    best = overlap, k
        if best is not None:
            match[n] = best[1]
            taken.add(best[1])
    return match


def slow_kind(ends, row):
    pairs = [ends.agree(row, relation) for relation in ends.image.relations.tolist()]
    subject = ends.on_object(row[0], ends.rules.subject_label)
    thing = ends.on_object(row[1], ends.rules.object_label)
    if any(all(pair) for pair in pairs):
        return 'duplicate'
    if any(s and o for s, o, _ in pairs):
        return 'predicate'
    return {(True, True): 'association', (False, True): 'subject', (True, False): 'object'}.get(
        (subject, thing), 'both'
    )


MENDED = {
    'predicate': lambda s, o, p: s and o,
    'subject': lambda s, o, p: o and p,
    'object': lambda s, o, p: s and p,
}


def slow_diagnosis(images, results, rules):
    """Kind -> count, and RIGHT or kind -> mean AP with it mended."""
    counts, rankings = dict.fromkeys(('right', *KINDS), 0), {name: ([], []) for name in ('right', *KINDS)}
    for image, result in zip(images, results, strict=True):
        ends = SlowEnds(image, result, rules)
        scores = result.triplet_scores.tolist()
        rows = sorted(enumerate(result.triplets.tolist()), key=lambda row: -scores[row[0]])
        relations = image.relations.tolist()
        every = set(range(len(relations)))
        match = slow_take(ends, rows, lambda n, *pair: all(pair), every)
        kinds = {n: 'right' if n in match else slow_kind(ends, row) for n, row in rows}
        free = every - set(match.values())
        reached = {
            k for n, row in rows if kinds[n] in MENDED for k in free if MENDED[kinds[n]](*ends.agree(row, relations[k]))
        }
        missed = free - reached
        for name in kinds.values():
            counts[name] += 1
        counts['missed'] += len(missed)
        for name, (figures, asked) in rankings.items():
            mended = {}
            if name in MENDED:
                wrong = {n for n, kind in kinds.items() if kind == name}
                mended = slow_take(ends, rows, lambda n, *p, name=name, of=wrong: n in of and MENDED[name](*p), free)
            for n, row in rows:
                which = match.get(n) if kinds[n] != name else mended.get(n)
                if kinds[n] != name or name == 'right' or which is not None:
                    which = match.get(n) if name == 'right' else which
                    predicate = row[2] if which is None else relations[which][2]
                    figures.append((scores[n], predicate, which is not None))
            asked += [r[2] for k, r in enumerate(relations) if name != 'missed' or k not in missed]
    ap = {}
    for name, (figures, asked) in rankings.items():
        values = []
        for predicate in range(3):
            right = [hit for _, p, hit in sorted(figures, reverse=True) if p == predicate]
            if asked.count(predicate):
                values.append(voc_area(right, asked.count(predicate)))
        ap[name] = sum(values) / len(values) if values else None
    return counts, ap


@given(seed=st.integers(0, 2**32 - 1), subject=st.booleans(), thing=st.booleans())
def test_equals_the_definitions_in_loops(seed, subject, thing):
    images, results = random_case(seed)
    rules = Rules(subject_label=subject, object_label=thing)
    counts, ap = slow_diagnosis(images, results, rules)
    figures = diagnose(images, results, NAMES, rules)
    if ap['right'] is None:
        assert figures is None
        return
    assert figures.right == counts.pop('right') and figures.counts == counts
    assert figures.ap == pytest.approx(ap['right'])
    want = {name: (1 if ap[name] is None else ap[name]) - ap['right'] for name in KINDS}
    assert figures.gains == pytest.approx(want)


def test_random_cases_have_every_kind():
    counts = [diagnose(*random_case(seed), NAMES).counts for seed in range(40)]
    for kind in KINDS:
        assert sum(count[kind] > 0 for count in counts) >= 5, kind


PLANTED = {  # one error beside the right prediction (0, 1, 'on') of A and B; C and FAR are the boxes 2 and 3
    'duplicate': (0, 1, 0),
    'predicate': (0, 1, 1),
    'association': (1, 0, 0),
    'subject': (3, 1, 0),
    'object': (0, 3, 0),
    'both': (3, 3, 0),
}


@pytest.mark.parametrize('kind', PLANTED)
def test_a_planted_error_is_found_as_what_it_is(kind):
    image = relation_image(0, '', (99, 99), (A, B, C), (0, 1, 1), [(0, 1, 0)])
    result = result_of([A, B, C, FAR], [0, 1, 1, 1], [PLANTED[kind], (0, 1, 0)], [0.9, 0.8])
    if kind == 'duplicate':  # the first of two is right
        result.triplet_scores[:] = 0.8, 0.9
    figures = diagnose([image], [result], NAMES)
    assert figures.right == 1 and figures.counts == {**dict.fromkeys(KINDS, 0), kind: 1}
    assert figures.ap == (1 / 2 if kind in ('association', 'subject', 'object', 'both') else 1)
    if figures.ap < 1:  # mending it is the whole loss
        assert figures.gains[kind] == 1 / 2


def test_mending_finds_the_relation_that_an_error_stands_for():
    image = relation_image(0, '', (99, 99), (A, B), (0, 1), [(0, 1, 0)])
    for kind in ('predicate', 'subject', 'object'):
        result = result_of([A, B, C, FAR], [0, 1, 1, 1], [PLANTED[kind]], [0.9])
        figures = diagnose([image], [result], NAMES)
        assert figures.ap == 0 and figures.gains == pytest.approx({**dict.fromkeys(KINDS, 0), kind: 1})
    figures = diagnose([image], [nothing()], NAMES)
    assert figures.counts['missed'] == 1 and figures.gains['missed'] == 1


def test_perfect_predictions_have_no_errors_and_no_truth_has_no_diagnosis():
    images = [relation_image(0, '', (99, 99), (A, B), (0, 1), [(0, 1, 0), (1, 0, 1)])]
    figures = diagnose(images, perfect(images), NAMES)
    assert figures.ap == 1 and set(figures.counts.values()) == {0} and set(figures.gains.values()) == {0}
    assert diagnose([], [], NAMES) is None
    assert diagnose([relation_image(0, '', (9, 9), (A,), (0,), [])], [nothing()], NAMES) is None


def test_picture_and_table_show_the_largest_gain(capsys):
    image = relation_image(0, '', (99, 99), (A, B, C), (0, 1, 1), [(0, 1, 0)])
    result = result_of([A, B, C, FAR], [0, 1, 1, 1], [PLANTED['object'], (0, 1, 0)], [0.9, 0.8])
    figures = diagnose([image], [result], NAMES)
    picture = diagnosis_picture(figures)
    blue = (picture == (178, 114, 0)).all(axis=2).sum(axis=1).reshape(-1)
    rows = np.flatnonzero(blue > 100)  # one long bar
    assert rows.min() // 34 == rows.max() // 34 == 1 + list(KINDS).index('object')
    diagnosis_table(figures)
    assert '+50.00' in capsys.readouterr().out
