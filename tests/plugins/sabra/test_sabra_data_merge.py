"""Duplicates of one object become one, and every relation still joins what it joined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sabra_data_cases import relation_content
from test_sabra_data_set import build

from detplug.errors import UserError
from detplug.evaluation.matching import overlaps
from plugins.sabra.data.merge_objects import merge_objects
from plugins.sabra.relations import NO_OBJECT, relation_image

PERSON, CUP = 0, 1
BOX, NEAR, FAR, THING = [0, 0, 10, 20], [1, 0, 10, 20], [40, 40, 60, 60], [2, 2, 8, 8]


def image(boxes, labels, relations, annotated=None):
    return relation_image(1, 'a.jpg', (64, 64), boxes, labels, relations, annotated)


def test_a_person_who_was_drawn_for_every_verb_is_one_person():
    before = image(
        [BOX, THING, NEAR, FAR], [PERSON, CUP, PERSON, PERSON], [[0, 1, 3], [2, 1, 4], [2, -1, 5], [2, 1, 3]]
    )
    after, kept = merge_objects(before, np.zeros(4, bool), 0.5)
    assert kept.tolist() == [0, 1, 3] and after.boxes.tolist() == [BOX, THING, FAR]
    assert after.relations.tolist() == [[0, NO_OBJECT, 5], [0, 1, 3], [0, 1, 4]]


def test_the_ends_of_a_relation_stay_two():
    hug = image([BOX, NEAR, BOX], [PERSON] * 3, [[0, 1, 2]])
    after, kept = merge_objects(hug, np.zeros(3, bool), 0.5)
    assert kept.tolist() == [0, 1] and after.relations.tolist() == [[0, 1, 2]]


def test_other_classes_crowds_and_unannotated_objects():
    before = image([BOX, NEAR, BOX, BOX], [PERSON, PERSON, CUP, PERSON], [], [False, True, True, True])
    after, kept = merge_objects(before, np.array([False, False, False, True]), 0.5)
    assert kept.tolist() == [0, 2, 3] and after.annotated.tolist() == [True, True, True]


boxes = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(8, 14), st.integers(8, 14)), max_size=7)


@settings(deadline=None)
@given(boxes, st.lists(st.tuples(st.integers(0, 6), st.integers(-1, 6), st.integers(0, 2)), max_size=6), st.data())
def test_no_duplicate_stays_and_every_relation_keeps_its_ends(rows, relations, data):
    labels = [data.draw(st.integers(0, 1)) for _ in rows]
    relations = [x for x in relations if max(x[:2]) < len(rows)]
    before = image(rows, labels, relations)
    after, kept = merge_objects(before, np.zeros(len(rows), bool), 0.5)
    np.testing.assert_array_equal(after.labels, before.labels[kept])
    assert {p for _, _, p in after.relations.tolist()} == {p for _, _, p in relations}
    ends = {(labels[s], None if o < 0 else labels[o], p, s == o) for s, o, p in relations}
    found = {(after.labels[s], None if o < 0 else after.labels[o], p, s == o) for s, o, p in after.relations.tolist()}
    assert found == ends
    if not relations:
        again = overlaps(after.boxes, after.boxes) >= 0.5
        assert not np.triu(again & (after.labels[:, None] == after.labels), 1).any()


def test_the_data_set_merges_for_training_and_not_by_default(tmp_path):
    content = relation_content()
    first = content['annotations'][0]
    content['annotations'].append(dict(first, id=999))
    content['relations'].append(dict(content['relations'][0], subject_id=999))
    plain, merged = build(tmp_path, content), build(tmp_path, content, merge_iou=0.5)
    assert len(plain[0]['instances']) == len(merged[0]['instances']) + 1
    truth = merged[0]['relation_truth']
    assert [x['bbox'] for x in merged[0]['instances']] == truth.boxes.tolist()
    with pytest.raises(UserError, match='merge_iou: 2'):
        build(tmp_path, content, merge_iou=2)
